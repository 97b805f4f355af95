import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ALLOWED, effectiveLines, readSettings } from '../../src/config.ts'

const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
const rows = [...text.matchAll(/^\| `(TENANTRY_\w+)` \| (.+?) \| (.+?) \| .+ \|$/gm)].map(
  ([, name = '', allowed = '', byDefault = '']) => ({ name, allowed, byDefault }),
)

describe('the table of settings', () => {
  it('names every setting that is read, once, and no other', () => {
    expect(rows.map((row) => row.name).toSorted()).toEqual([...ALLOWED.keys()].toSorted())
  })

  it('says what is allowed as the refusal of a wrong value says it', () => {
    expect(new Map(rows.map((row) => [row.name, row.allowed]))).toEqual(new Map(ALLOWED))
  })

  it('gives the defaults that hold where nothing is set', () => {
    const lines = effectiveLines(readSettings({})).map((line) => line.replace(' (default)', '').split('='))
    const holding = new Map(lines.map(([name = '', value = '']) => [name, value]))
    // Of these the line shows what follows from another setting; the next promise is about them.
    holding.delete('TENANTRY_MAX_POOLS')
    const written = new Map(rows.map((row) => [row.name, row.byDefault]))
    expect(Object.fromEntries([...holding].map(([name]) => [name, written.get(name)]))).toEqual(
      Object.fromEntries(holding),
    )
  })

  it('says which defaults follow another setting', () => {
    const settings = readSettings({ TENANTRY_MAX_CONNECTIONS: '7', TENANTRY_OPS_PORT: '4001' })
    expect(settings.router).toMatchObject({ maxPools: 7, maxConnectionsPerTenant: 7 })
    expect(settings.opsUrl).toBe('http://127.0.0.1:4001')
  })
})
