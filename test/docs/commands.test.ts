import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command, CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import { commandTree } from '../../src/cli/program.ts'

const ROOT = join(import.meta.dirname, '../..')
const pages = ['README.md', 'SECURITY.md', 'registry/README.md']
pages.push(...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`))

const silent = { variables: {}, print: () => {}, note: () => {}, readInput: async () => '' }

interface Given {
  readonly line: string
  /** Of a shell, as it would be typed; or a span of a sentence, which may leave arguments out. */
  readonly isWhole: boolean
}

/** What a page calls `tenantry` with, each up to where the shell goes on. */
function commandsOn(page: string): Given[] {
  const text = readFileSync(join(ROOT, page), 'utf8').replaceAll('\\\n', ' ')
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].map(([, block = '']) => block)
  const typed = blocks.flatMap((block) => block.split('\n')).flatMap(argumentsIn)
  const spans = [...text.matchAll(/`(tenantry [^`]+)`/g)].map(([, span = '']) => span.replaceAll('\n', ' '))
  return [
    ...typed.map((line) => ({ line, isWhole: true })),
    ...spans.flatMap(argumentsIn).map((line) => ({ line, isWhole: false })),
  ]
}

function argumentsIn(line: string): string[] {
  const command = /^(?:.*[\s(/])?(?:tenantry|cli\.js) ((?:'[^']*'|"[^"]*"|[^|<>;&)])+)/
  const [, words] = command.exec(line.replace(/(?:^|\s)#.*$/, '')) ?? []
  return words === undefined ? [] : [words.trim()]
}

function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, one, two, bare]) => one ?? two ?? bare ?? '',
  )
}

/** With verbs that do nothing. */
function idle(command: Command): Command {
  for (const inner of command.commands) idle(inner)
  if (command.commands.length === 0) command.action(() => undefined)
  return command
}

/** Why it is not taken; undefined where it is. */
async function refusal(line: string): Promise<string | undefined> {
  return idle(commandTree(silent))
    .parseAsync(wordsOf(line), { from: 'user' })
    .then(
      () => undefined,
      (error: CommanderError) => (error.exitCode === 0 ? undefined : error.message),
    )
}

describe('the commands on', () => {
  const given = pages.map((page) => [page, commandsOn(page)] as const).filter(([, lines]) => lines.length > 0)

  it.each(given)('%s are taken as they stand', async (_, lines) => {
    const refused: string[] = []
    for (const { line, isWhole } of lines) {
      const why = await refusal(line)
      const isNamed = !isWhole && why?.includes('missing required argument')
      if (why !== undefined && !isNamed) refused.push(`${line}: ${why}`)
    }
    expect(refused).toEqual([])
  })

  it('every page that an operator works by are among them', () => {
    const counts = Object.fromEntries(given.map(([page, lines]) => [page, lines.length]))
    expect(counts['docs/operations.md']).toBeGreaterThan(30)
    expect(counts['README.md']).toBeGreaterThan(3)
  })

  it('no page may name a verb or an option that is none', async () => {
    expect(await refusal('tenant evict acme')).toMatch(/unknown command/)
    expect(await refusal('tenant rotate acme --now')).toMatch(/unknown option/)
    expect(await refusal('tenant set')).toMatch(/missing required argument/)
  })
})
