import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { commandTree } from '../../src/cli/program.ts'
import { Terminal } from './terminal.ts'

const silent = { variables: {}, print: () => {}, note: () => {}, readInput: async () => '' }

interface Verb {
  readonly words: readonly string[]
  readonly command: Command
}

function verbsOf(command: Command, words: readonly string[] = []): Verb[] {
  if (command.commands.length === 0) return [{ words, command }]
  return command.commands.flatMap((inner) => verbsOf(inner, [...words, inner.name()]))
}

const VERBS = verbsOf(commandTree(silent)).map(
  ({ words, command }) => [words.join(' '), words, command] as const,
)

/** As a shell would cut it, quotes taken away. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  )
}

/** Command lines under `Example:`; what is further to the right explains them. */
async function examplesOf(words: readonly string[]): Promise<string[]> {
  const { code, out } = await new Terminal().run([...words, '--help'])
  expect(code).toBe(0)
  const [, examples = ''] = out.split(/^Examples?:$/m)
  const lines = examples.matchAll(/^ +(?:\$ )?(?:\S+=\S+ )*(?:[^|]+ \| )?tenantry (.+?)(?: {2,}.*| < .*)?$/gm)
  return [...lines].map(([, rest = '']) => rest)
}

it('tells the version of the package, which is no other verb’s --version', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string } // a parse boundary: our own
  expect(await new Terminal().run(['--version'])).toMatchObject({
    code: 0,
    out: expect.stringContaining(version),
  })
  const noted = await new Terminal().run(['exec', '--all', '--version', 'v42', '--', 'true'])
  expect(noted).toMatchObject({ code: 2, err: expect.stringContaining('no registry') })
})

describe('every verb', () => {
  it.each(VERBS)('%s has an example in its help, which it would take as it stands', async (name, words) => {
    const examples = await examplesOf(words)
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) {
      expect(`${example} `.startsWith(`${name} `)).toBe(true)
      const tree = commandTree(silent)
      let taken = false
      for (const verb of verbsOf(tree))
        verb.command.action(() => void (taken ||= verb.words.join(' ') === name))
      await tree.parseAsync(wordsOf(example), { from: 'user' })
      expect(taken).toBe(true)
    }
  })

  it.each(VERBS)(
    '%s refuses what it does not know with 2, and says where to look',
    async (_, words, command) => {
      const names = command.registeredArguments.filter(({ required }) => required).map(() => 'acme')
      const options = command.options
        .filter(({ mandatory }) => mandatory)
        .flatMap(({ long }) => [long ?? '', '1'])
      const unknown = await new Terminal().run([...words, ...names, ...options, '--no-such-option'])
      expect(unknown).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringContaining("unknown option '--no-such-option'"),
      })
      expect(unknown.err).toContain('--help')
      if (names.length === 0) return
      const bare = await new Terminal().run([...words, ...options])
      expect(bare).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringContaining('missing required argument'),
      })
      expect(bare.err).toContain('--help')
    },
  )
})
