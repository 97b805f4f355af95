import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Terminal } from '../cli/terminal.ts'

const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8')
const written = [...text.matchAll(/^\| `([a-z ]+)( <[\w.]+>| \[[\w.]+\])?` \| (.+) \|$/gm)].map(
  ([, verb = '', argument = '', does = '']) => ({ verb, argument, does }),
)

async function help(...verb: string[]): Promise<string> {
  return (await new Terminal().run([...verb, '--help'])).out
}

/** Names under `Commands:`; a continued description is further to the right. */
async function commandsOf(...group: string[]): Promise<string[]> {
  const [, commands = ''] = (await help(...group)).split('Commands:')
  return [...commands.matchAll(/^ {2}([a-z]+)/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'help')
}

async function verbs(...group: string[]): Promise<string[]> {
  const names = await commandsOf(...group)
  if (names.length === 0) return [group.join(' ')]
  const found = await Promise.all(names.map((name) => verbs(...group, name)))
  return found.flat()
}

describe('the page about the command line', () => {
  it('names every verb there is and no other', async () => {
    expect(written.map(({ verb }) => verb).toSorted()).toEqual((await verbs()).toSorted())
  })

  it('says of each what its own help says', async () => {
    for (const { verb, argument, does } of written) {
      const [usage = '', description = ''] = (await help(...verb.split(' '))).split('\n\n')
      expect(description.replaceAll(/\s+/g, ' ')).toBe(does)
      expect(usage.replaceAll(/\s+/g, ' ')).toMatch(`${verb} [options]${argument}`)
    }
  })
})
