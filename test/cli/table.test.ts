import { describe, expect, it } from 'vitest'
import { table } from '../../src/cli/table.ts'

describe('a table', () => {
  it('has names where they begin and amounts where they end under one another', () => {
    expect(
      table(
        ['TENANT', 'OPEN', 'OF', 'USED'],
        [
          ['acme', 5, '5 of 37', '3.2 s'],
          ['42', 100, '100 of 100', '12 min'],
        ],
      ),
    ).toEqual([
      'TENANT  OPEN          OF    USED',
      'acme       5     5 of 37   3.2 s',
      '42       100  100 of 100  12 min',
    ])
  })

  it('has a dash for what is not there, and headings where nothing is', () => {
    expect(table(['KEY', 'NAME'], [['a', null]])).toEqual(['KEY  NAME', 'a    -'])
    expect(table(['KEY', 'NAME'], [])).toEqual(['KEY  NAME'])
  })
})
