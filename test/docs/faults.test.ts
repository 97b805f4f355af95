import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(ROOT, 'docs/faults.md'), 'utf8')
const ROWS = page.split('\n').filter((line) => /^\| (?!Fault|Trap|---)/.test(line))
/** Whatever quotes the name is in there. */
const spoken = (text: string) => text.replaceAll('’', "'").replaceAll("\\'", "'")

describe('the page about faults', () => {
  it.each(ROWS)('names a test that exists: %s', (row) => {
    const [, file = '', name = ''] = /`(test\/[^`]+)`: (.+?) \|$/.exec(row) ?? []
    expect(existsSync(join(ROOT, file)) && file).toMatch(/\.(?:test|soak)\.ts$|\/[a-z-]+\.ts$/)
    expect(spoken(readFileSync(join(ROOT, file), 'utf8'))).toContain(spoken(name))
  })
})
