import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { plainLine, plainText } from '../../src/cli/plain-text.ts'
import { Terminal } from './terminal.ts'

const CLEAR = '\u001b[2J'
/** What terminals take for the beginning of a sequence in one byte, and what turns letters around. */
const UNSEEN = ['\u001b', '\u009b', '\u0007', '\r', '\u202e', '\u2028']

describe('a text for a terminal', () => {
  it('has every letter that would do something written out, and the others as they are', () => {
    const text = `a\tb\nc ü 漢 🐘 ${UNSEEN.join('')}`
    expect(plainText(text)).toBe('a\tb\nc ü 漢 🐘 \\u001b\\u009b\\u0007\\u000d\\u202e\\u2028')
    expect(plainLine('acme\nglobex is served')).toBe('acme\\u000aglobex is served')
    expect(plainText('\u{e0041}')).toBe('\\udb40\\udc41')
  })

  it('means in JSON what it meant', () => {
    const value = { reason: UNSEEN.join(' '), tag: '\u{e0041}' }
    const shown = plainText(JSON.stringify(value, null, 2))
    expect(shown).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
    expect(JSON.parse(shown)).toEqual(value)
  })
})

describe('a verb', () => {
  let folder: string
  const run = (...args: string[]) => new Terminal().run([...args, '--env-file', join(folder, 'tenantry.env')])
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-cli-plain-'))
    await new Terminal().run(['init', folder])
    await run('key', 'create', '--operator', 'viewer', '--name', `${CLEAR}x\nforged line\u009b`)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('shows a name that somebody gave in its own line, and obeys nothing in it', async () => {
    const { out } = await run('key', 'list')
    expect(out).toContain('\\u001b[2Jx\\u000aforged line\\u009b')
    expect(out).not.toMatch(/^forged|(?!\n)\p{Cc}/mu)
    const listed = await run('key', 'list', '--json')
    expect(listed.out).not.toContain('\u009b')
    expect(JSON.parse(listed.out)).toMatchObject([{ name: `${CLEAR}x\nforged line\u009b` }])
  })

  it('repeats a wrong name in its error, and obeys nothing in it', async () => {
    const { code, err } = await run('why', `${CLEAR}\u009bnobody`)
    expect(code).toBe(1)
    expect(err).toContain('nobody')
    expect(err).not.toMatch(/(?!\n)\p{Cc}/u)
  })
})
