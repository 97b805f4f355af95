import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { formatApiKey, makeKey } from '../../src/registry/api-key.ts'
import { readConnectionString } from '../../src/resolve/connection-string.ts'

const text = readFileSync(new URL('../../docs/sql-over-http.md', import.meta.url), 'utf8')

describe('the page about SQL over HTTP', () => {
  it('makes connection strings that say which key and which tenant', () => {
    const [, made = ''] = /connectionString = \(.*\) =>\n\s+(`.+`)\n/.exec(text) ?? []
    const key = formatApiKey(makeKey()).reveal()
    const connectionString: unknown = runInNewContext(made, { key, tenant: 'acme', domain: 'db.example.com' })
    expect(readConnectionString(String(connectionString))).toEqual({
      authorization: `Bearer ${key}`,
      tenant: 'acme',
    })
  })
})
