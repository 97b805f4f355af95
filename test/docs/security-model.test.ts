import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(ROOT, 'docs/security-model.md'), 'utf8')
const [, threats = ''] = page.split('\n## Threats')
const ROWS = threats.split('\n').filter((line) => /^\| (?!Threat|---)/.test(line))
/** Whatever quotes the name is in there. */
const spoken = (text: string) => text.replaceAll('’', "'").replaceAll("\\'", "'")

describe('the security model', () => {
  it.each(ROWS)('names a test that exists: %s', (row) => {
    const [, file = '', name = ''] = /`(test\/[^`]+)`: (.+?) \|$/.exec(row) ?? []
    expect(existsSync(join(ROOT, file)) && file).toMatch(/\.ts$/)
    expect(spoken(readFileSync(join(ROOT, file), 'utf8'))).toContain(spoken(name))
  })

  it('has a row for each file of attacks over HTTP', () => {
    const files = readdirSync(join(ROOT, 'test/http/hostile')).filter((name) => name.endsWith('.test.ts'))
    const missing = files.filter((name) => !threats.includes(name.replace('.test.ts', '.')))
    expect(missing).toEqual([])
  })
})
