import { describe, expect, it } from 'vitest'
import { readList } from '../../../src/lifecycle/import/read-list.ts'

describe('a list that is made to keep the process busy', () => {
  /** A megabyte, which is what a request may bring, is read in well under a second where nothing else runs. */
  const LONGEST_MS = 5_000
  const names = (count: number) => Array.from({ length: count }, (_, index) => `c${index}`)

  it.each([
    ['20,000 columns', 'csv', `id,dsn,${names(20_000).join(',')}`, /^1 it names 20002 columns/],
    [
      '20,000 fields',
      'jsonl',
      JSON.stringify(Object.fromEntries(names(20_000).map((name) => [name, 1]))),
      /^1 it has 20000 fields/,
    ],
  ] as const)('is told so: %s', async (_, format, text, fault) => {
    const begun = performance.now()
    const { rows, faults } = await readList(format, text)
    expect(performance.now() - begun).toBeLessThan(LONGEST_MS)
    for (const { line, what } of faults) expect(`${line} ${what}`).toMatch(fault)
    expect(format === 'csv' ? rows.length : faults.length - 1).toBe(0)
  })

  it.each([
    [
      '100,000 lines with wrong quotes',
      'csv',
      `id,dsn\n${'a"b\n'.repeat(100_000)}`,
      /wrong in more than 1000 places/,
    ],
    [
      '250,000 short rows',
      'csv',
      `id,dsn\n${'a,b\n'.repeat(250_000)}`,
      /may have 10000 rows; this one has more/,
    ],
    ['250,000 short objects', 'jsonl', '{}\n'.repeat(250_000), /may have 10000 rows; this one has more/],
    ['250,000 numbers', 'jsonl', '1\n'.repeat(250_000), /may have 10000 rows; this one has more/],
  ] as const)('is refused: %s', async (_, format, text, why) => {
    const begun = performance.now()
    await expect(readList(format, text)).rejects.toThrow(why)
    expect(performance.now() - begun).toBeLessThan(LONGEST_MS)
  })

  it.each([
    ['csv', `id,dsn\n${'a,b\n'.repeat(10_000)}`],
    ['jsonl', '{}\n'.repeat(10_000)],
  ] as const)('is none with ten thousand rows of %s', async (format, text) => {
    expect((await readList(format, text)).rows).toHaveLength(10_000)
  })
})
