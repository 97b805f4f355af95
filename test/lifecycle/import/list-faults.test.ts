import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRow } from '../../../src/lifecycle/import/import-row.ts'
import { importTenants } from '../../../src/lifecycle/import/import-tenants.ts'
import { ListFaultsError } from '../../../src/lifecycle/import/list-faults.ts'
import { type ListFormat, readList } from '../../../src/lifecycle/import/read-list.ts'
import { FileRegistry } from '../../../src/registry/file/file-registry.ts'
import { alias, create, server, tenantRecord } from '../../registry/records.ts'
import { LifecycleGround } from '../ground.ts'
import { tenantsOf } from './fleet.ts'

const SECRET = 'canary-s3cret'
const dsn = (database: string) => `postgres://u:${SECRET}@127.0.0.1:1/${database}`

let ground: LifecycleGround
beforeAll(async () => {
  ground = await LifecycleGround.start(18)
})
afterAll(() => ground[Symbol.asyncDispose]())

const routeTo = (database: string) => ({
  server: 'main',
  database,
  role: 'u',
  password: null,
  slot: null,
  readOnly: null,
})

async function faultsOf(format: ListFormat, text: string): Promise<string[]> {
  const dry = await importTenants(ground.parts, { format, text, dryRun: true }, 'test')
  const refused: unknown = await importTenants(ground.parts, { format, text }, 'test').catch(
    (error: unknown) => error,
  )
  if (!(refused instanceof ListFaultsError)) throw new Error(`not refused: ${String(refused)}`)
  expect(refused.faults).toEqual(dry.faults)
  for (const told of [JSON.stringify(dry), refused.message, refused.publicDetail])
    expect(told).not.toContain(SECRET)
  expect(await tenantsOf(ground.parts)).toEqual([])
  return dry.faults.map(({ line, what }) => `${line} ${what}`)
}

const CSV = [
  'id,dsn,hostnames,labels,max_connections,weight,shared,colour',
  `acme,${dsn('a')},acme.example.com,plan=pro,4,2,,`,
  `Acme,${dsn('b')},,,,,,`,
  `admin,${dsn('c')},,,,,,`,
  `acme,${dsn('d')},,,,,,`,
  `globex,postgres://u:${SECRET}@h/d?pool_size=5,,,,,,`,
  `initech,${dsn('a')},acme.example.com not_a_host,,many,5000,perhaps,`,
  `hooli,${dsn('e')},,plan,0,,,`,
  `short,${dsn('f')}`,
  `${dsn('g')},swapped,,postgres://x:${SECRET}=y@h/d,,,,`,
  ',,,,,,,',
  `wrong,"${dsn('h')}"x,,,,,,`,
].join('\n')

describe('faults of a list', () => {
  it('are all told at once, each with its line and column, and never with a value that may be secret', async () => {
    const faults = await faultsOf('csv', CSV)
    const expected = [
      /^1 "colour" is not a column: those are id, dsn, /,
      /^3 id: must be 1 to 40/,
      /^4 id: is a reserved name/,
      /^5 id: acme is also in line 2/,
      /^6 dsn: .*pool_size/,
      /^7 hostnames: must be a lower-case host name/,
      /^7 max_connections: /,
      /^7 weight: /,
      /^7 shared: must be true or false/,
      /^8 labels: /,
      /^8 max_connections: /,
      /^9 it has 2 cells, and line 1 names 8 columns/,
      /^10 id: /,
      /^10 dsn: /,
      /^10 labels: /,
      /^11 id: /,
      /^11 dsn: /,
      /^12 the quotes are wrong/,
    ]
    for (const fault of expected) expect(faults).toContainEqual(expect.stringMatching(fault))
    expect(faults.filter((fault) => !expected.some((one) => one.test(fault)))).toEqual([])
    expect(faults).toHaveLength(expected.length)
  })

  it('are told of JSON lines, too', async () => {
    const lines = [
      JSON.stringify({
        id: 'acme',
        dsn: dsn('a'),
        hostnames: ['a.example.com'],
        labels: { Plan: 'pro' },
        weight: 0,
      }),
      `{"id":"${SECRET}`,
      JSON.stringify({
        id: 'beta',
        dsn: dsn('b'),
        colour: SECRET,
        [`postgres://x:${SECRET}@h`]: 1,
        weight: [],
      }),
      '',
      JSON.stringify([SECRET]),
      JSON.stringify({ id: 7, dsn: { secret: SECRET }, hostnames: 7, labels: { plan: 7 }, shared: 'x' }),
    ]
    const faults = await faultsOf('jsonl', lines.join('\r\n'))
    const expected = [
      /^1 labels: /,
      /^1 weight: /,
      /^2 it is not a JSON object/,
      /^3 "colour" is not a column/,
      /^3 a field has a name that is not a column/,
      /^3 weight: /,
      /^5 it is not a JSON object/,
      /^6 id: /,
      /^6 dsn: /,
      /^6 hostnames: /,
      /^6 labels: /,
      /^6 shared: /,
    ]
    for (const fault of expected) expect(faults).toContainEqual(expect.stringMatching(fault))
    expect(faults.filter((fault) => !expected.some((one) => one.test(fault)))).toEqual([])
    expect(faults).toHaveLength(expected.length)
  })

  it.each([
    ['csv', '', /no row|must name the columns/],
    ['csv', 'id,dsn\n', /no row/],
    ['jsonl', '\n\n', /no row/],
    ['csv', `acme,${dsn('a')}\nglobex,${dsn('b')}\n`, /must name the columns/],
    ['csv', `id|dsn\nacme|${dsn('a')}\n`, /must name the columns/],
    ['csv', `id,dsn\nacme,${dsn('a')}\nglobex,${SECRET}\uFFFD\n`, /^3 it is not UTF-8/],
    ['csv', `id,dsn\nacme,"${dsn('a')}"x\nglobex,${dsn('b')}\n`, /^2 the quotes are wrong.*twice/],
    ['csv', `id,host,user,password\nacme,h,u,${SECRET}\n`, /^2 database: is missing/],
    ['csv', `id,host,database,user,password\nacme,a b,d,u,${SECRET}\n`, /^2 host: neither a host name/],
    ['csv', `id,host,database,user,port\nacme,h,d,u,x\n`, /^2 port: a whole number/],
    ['csv', `id,host,database,user,sslmode\nacme,h,d,u,prefer\n`, /^2 sslmode: prefer may fall back/],
    ['csv', `id,dsn,host\nacme,${dsn('a')},h\n`, /^2 dsn: only a password may stand beside it, not host/],
    ['csv', `id,dsn,password\nacme,${dsn('a')},${SECRET}\n`, /^2 password: dsn holds one already/],
    ['csv', `id,dsn,max_connections\nacme,${dsn('a')},many\n`, /^2 max_connections: must be a whole number/],
    ['jsonl', `{"id":"acme","host":["${SECRET}"],"database":"d","user":"u"}`, /^1 host: must be text/],
    ['csv', `id,dsn,id\nacme,${dsn('a')},acme\n`, /two columns id/],
    ['csv', `id,dsn\nacme,"${dsn('a')}\n`, /quotes are wrong/],
  ] as const)('of %s %j are one', async (format, text, fault) => {
    expect(await faultsOf(format, text)).toEqual([expect.stringMatching(fault)])
  })

  it('are names, host names and databases that are taken', async () => {
    const [one, two] = [
      tenantRecord('first', { route: routeTo('a') }),
      tenantRecord('made', { origin: 'provisioned' }),
    ]
    await using registry = await FileRegistry.open(join(ground.folder, 'taken.yaml'))
    await create(
      registry,
      server('main', { endpoints: [{ role: 'primary', host: '127.0.0.1', port: 1 }] }),
      { kind: 'tenant', id: 'first', record: one },
      { kind: 'tenant', id: 'made', record: two },
      alias('hostname', 'first.example.com', 'first'),
    )
    const dry = async (...rows: string[]) => {
      const text = ['id,dsn,hostnames', ...rows].join('\n')
      const parts = { ...ground.parts, registry }
      const { faults } = await importTenants(parts, { format: 'csv', text, dryRun: true }, 'test')
      return faults.map(({ line, what }) => `${line} ${what}`)
    }
    expect(await dry(`first,${dsn('a')},first.example.com`)).toEqual([])
    expect(
      await dry(
        `first,${dsn('b')},`,
        `second,${dsn('c')},first.example.com`,
        `third,${dsn('c')},`,
        `made,${dsn('d')},`,
      ),
    ).toEqual([
      '2 id: tenant first is on record already, with another database or role',
      '3 hostnames: first.example.com leads to another tenant already',
      '4 dsn: unless shared is true, its database may not also be in line 3',
      '5 id: tenant made is on record already, with another database or role',
    ])
    const adopted = tenantRecord('adopted', {
      origin: 'provisioned',
      route: { ...routeTo('e'), role: 'ours' },
    })
    await create(registry, { kind: 'tenant', id: 'adopted', record: adopted })
    expect(await dry(`adopted,${dsn('e')},`)).toEqual([])
    expect(await dry(`first,${dsn('a')},other.example.com`)).toEqual([
      '2 hostnames: tenant first is on record already, without other.example.com',
    ])
  })
})

describe('CSV', () => {
  it('is read as spreadsheets write it', async () => {
    const text = '\uFEFFid,dsn,"label.plan"\r\n"acme" , "a,""b""\nc" ,pro\r\n\r\nglobex,d,\r\n'
    const { rows, faults } = await readList('csv', text)
    expect(faults).toEqual([])
    expect(rows.map(({ cells }) => Object.fromEntries(cells))).toEqual([
      { id: 'acme', dsn: 'a,"b"\nc', 'label.plan': 'pro' },
      { id: 'globex', dsn: 'd', 'label.plan': '' },
    ])
    expect(rows.map(({ line }) => line)).toEqual([3, 5])
  })

  it.each([';', '\t'])(
    'is read where %j divides its cells, as spreadsheets do elsewhere',
    async (delimiter) => {
      const cells = [['Id', 'DSN', 'hostnames'], ['acme', 'd', '"a.example;b.example"'], []]
      const { rows, faults } = await readList('csv', cells.map((line) => line.join(delimiter)).join('\r\n'))
      expect(faults).toEqual([])
      expect(rows.map((row) => Object.fromEntries(row.cells))).toEqual([
        { id: 'acme', dsn: 'd', hostnames: 'a.example;b.example' },
      ])
    },
  )

  it('gives back every cell, whatever is in it', async () => {
    // But for what tells that it is not UTF-8, which is refused.
    const cell = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\ufffd\0]/g, '').trim())
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), async (cells) => {
        const lines = [['id', 'dsn'], ...cells].map((line) => line.map(quoted).join(','))
        const { rows } = await readList('csv', lines.join('\r\n'))
        expect(rows.map((row) => [row.cells.get('id'), row.cells.get('dsn')])).toEqual(cells)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a row whose database is in columns of its own', () => {
  const rowOf = (cells: Record<string, unknown>) => {
    const row = readRow({ line: 2, cells: new Map(Object.entries({ id: 'acme', ...cells })) })
    if (Array.isArray(row)) throw new Error(JSON.stringify(row))
    return row.dsn
  }
  const place = { host: 'db.example.com', database: 'd/1', user: 'ü@x', password: `p;w"%,x'y@/?# ü` }

  it('means its cells as they are, with nothing percent-encoded', () => {
    const { password, ...dsn } = rowOf({ ...place, port: '6432', sslmode: 'require' })
    expect(password?.reveal()).toBe(place.password)
    expect(dsn).toMatchObject({ host: 'db.example.com', port: 6432, database: 'd/1', user: 'ü@x' })
    expect(dsn.tls).toEqual({ mode: 'require' })
  })

  it('is verified in full where nothing else is said, by address, too', () => {
    const dsn = rowOf({ ...place, host: '2001:db8::7', port: 5433 })
    expect(dsn).toMatchObject({ host: '2001:db8::7', port: 5433, tls: { mode: 'verify-full' } })
  })

  it('takes a password beside a connection string without one', () => {
    const { user, password } = rowOf({ dsn: 'postgres://u@h/d', password: 'a%20b' })
    expect([user, password?.reveal()]).toEqual(['u', 'a%20b'])
  })
})
