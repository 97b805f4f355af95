import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { OPERATOR_ROUTES } from '../../src/http/admin/access.ts'
import { STATUS } from '../../src/http/problem.ts'

const text = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8')

describe('the page about HTTP', () => {
  it('names every route of the operator plane, and the role that it needs', () => {
    const rows = [...text.matchAll(/^\| `((?:GET|POST|PATCH|DELETE) [^`]+)` \| (\w+) \|/gm)]
    const written = Object.fromEntries(rows.map(([, route = '', role = '']) => [route, role]))
    expect(written).toEqual(OPERATOR_ROUTES)
  })

  it('gives every problem code its status', () => {
    const rows = [...text.matchAll(/^\| (\d{3}) \| (.+) \|$/gm)]
    const written = rows.flatMap(([, status, codes = '']) =>
      [...codes.matchAll(/`(\w+)`/g)].map(([, code = '']): [string, number] => [code, Number(status)]),
    )
    expect(written).toHaveLength(Object.keys(STATUS).length)
    expect(Object.fromEntries(written)).toEqual(STATUS)
  })
})
