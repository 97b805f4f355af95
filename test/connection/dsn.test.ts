import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDsn } from '../../src/connection/dsn.ts'
import { InvalidDsnError } from '../../src/errors.ts'

const CANARY = 'c4n4ry'

let folder: string
const files = { ca: '', cert: '', key: '', encrypted: '', other: '', huge: '', empty: '' }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenantry-dsn-'))
  const pem = (what: string) => `-----BEGIN ${what}-----\nMA==\n-----END ${what}-----\n`
  const contents = {
    ca: pem('CERTIFICATE'),
    cert: pem('CERTIFICATE'),
    key: pem('EC PRIVATE KEY'),
    encrypted: pem('ENCRYPTED PRIVATE KEY'),
    other: 'root:x:0:0',
    huge: pem('CERTIFICATE').padEnd(1_048_577),
    empty: '',
  }
  for (const name of Object.keys(contents) as (keyof typeof contents)[]) {
    files[name] = join(folder, name)
    await writeFile(files[name], contents[name])
  }
})

afterAll(() => rm(folder, { recursive: true }))

function errorOf(dsn: string): unknown {
  try {
    parseDsn(dsn)
    return undefined
  } catch (error) {
    return error
  }
}

function faultOf(dsn: string): string {
  const error = errorOf(dsn)
  return error instanceof InvalidDsnError ? error.publicDetail : `taken, or not our error: ${String(error)}`
}

describe('a connection string', () => {
  it.each([
    ['postgres://u:p@h/d', { host: 'h', port: 5432, user: 'u', database: 'd' }, 'p'],
    ['postgresql://u:p@h:6543/d', { host: 'h', port: 6543 }, 'p'],
    ['postgres://Shop-Owner:p@h/Shop-DB', { user: 'Shop-Owner', database: 'Shop-DB' }, 'p'],
    [
      'postgres://u%40corp:p%3A%40%2F%3F%23%25@h/my%20db%2Fx',
      { user: 'u@corp', database: 'my db/x' },
      'p:@/?#%',
    ],
    ['postgres://u:a:b@h/d', { user: 'u' }, 'a:b'],
    ['postgres://%D0%BE%D0%BB%D1%8F:%F0%9F%94%91@h/d', { user: 'оля' }, '🔑'],
    ['postgres://u@h/d', { user: 'u' }, undefined],
    ['postgres://u:@h/d', { user: 'u' }, undefined],
    ['postgres://u:p@[2001:db8::1]:5433/d', { host: '2001:db8::1', port: 5433 }, 'p'],
    ['postgres://u:p@/d?host=/var/run/postgresql', { host: '/var/run/postgresql', port: 5432 }, 'p'],
    ['postgres://u:p@/d?host=%2Ftmp&port=6000', { host: '/tmp', port: 6000 }, 'p'],
    ['postgres://u:p@%2Fvar%2Frun/d', { host: '/var/run' }, 'p'],
    ['postgres://u:p@h/d?application_name=my%20app', { settings: { application_name: 'my app' } }, 'p'],
    [' postgres://u:p@h/d\n', { database: 'd' }, 'p'],
  ])('is understood: %s', (dsn, expected, password) => {
    const parsed = parseDsn(dsn)
    expect(parsed).toMatchObject(expected)
    expect(parsed.password?.reveal()).toBe(password)
  })

  it('gives back every name and password that was encoded into it', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 15 })
      .filter((s) => !/\p{Cc}/u.test(s))
    fc.assert(
      fc.property(name, name, name, (user, password, database) => {
        fc.pre([user, database].every((s) => Buffer.byteLength(s) <= 63))
        const [u, p, d] = [user, password, database].map(encodeURIComponent)
        const parsed = parseDsn(`postgres://${u}:${p}@h/${d}`)
        expect([parsed.user, parsed.password?.reveal(), parsed.database]).toEqual([user, password, database])
      }),
    )
  })

  it('prints without its password', () => {
    const parsed = parseDsn(`postgres://u:${CANARY}@h/d`)
    expect(inspect(parsed, { depth: 9 }) + JSON.stringify(parsed)).not.toContain(CANARY)
  })
})

describe('TLS', () => {
  it.each([
    ['h', '', 'verify-full'],
    ['localhost', '', 'disable'],
    ['127.0.0.1', '', 'disable'],
    ['127.8.9.10', '', 'disable'],
    ['[::1]', '', 'disable'],
    ['%2Ftmp', '', 'disable'],
    ['localhost.example.com', '', 'verify-full'],
    ['h', '?sslmode=disable', 'disable'],
    ['h', '?sslmode=require', 'require'],
    ['h', '?sslmode=verify-ca', 'verify-ca'],
    ['h', '?sslmode=verify-full&sslrootcert=system', 'verify-full'],
    ['127.0.0.1', '?sslmode=verify-full', 'verify-full'],
  ])('to %s%s is %s', (host, query, mode) => {
    expect(parseDsn(`postgres://u:p@${host}/d${query}`).tls).toEqual({ mode })
  })

  it('honours the files that it names', () => {
    const { tls } = parseDsn(
      `postgres://u:p@h/d?sslmode=verify-full&sslrootcert=${files.ca}&sslcert=${files.cert}&sslkey=${files.key}`,
    )
    expect(tls.ca).toContain('BEGIN CERTIFICATE')
    expect(tls.clientCert?.certificate).toContain('BEGIN CERTIFICATE')
    expect(tls.clientCert?.key.reveal()).toContain('BEGIN EC PRIVATE KEY')
  })

  it.each(['/dev/zero', '/proc/self/maps', tmpdir(), 'huge', 'empty'])(
    'reads nothing that is no file of certificates, which may never end: %s',
    (name) => {
      const path = name in files ? files[name as keyof typeof files] : name
      const error = errorOf(`postgres://u:p@h/d?sslmode=require&sslrootcert=${path}`)
      expect(error).toBeInstanceOf(InvalidDsnError)
      expect(String(error)).toContain('the parameter sslrootcert: it names no file of certificates or keys')
    },
  )

  it('asks an authority that is named, as libpq does under require', () => {
    expect(parseDsn(`postgres://u:p@h/d?sslmode=require&sslrootcert=${files.ca}`).tls.mode).toBe('verify-ca')
  })

  it.each([
    ['sslmode=prefer', 'sslmode'],
    ['sslmode=allow', 'sslmode'],
    ['sslmode=bogus', 'sslmode'],
    ['sslmode=', 'sslmode'],
    ['sslmode=require&sslrootcert=system', 'sslrootcert'],
    ['sslmode=require&sslrootcert=/nowhere', 'sslrootcert'],
    ['sslmode=require&sslrootcert=OTHER', 'sslrootcert'],
    ['sslmode=require&sslcert=CERT', 'sslkey'],
    ['sslmode=require&sslkey=KEY', 'sslcert'],
    ['sslmode=require&sslcert=CERT&sslkey=ENCRYPTED', 'sslkey'],
    ['sslmode=disable&sslrootcert=CA', 'sslmode'],
  ])('is refused where it cannot be honoured: %s', (query, part) => {
    const filled = query.replace(
      /[A-Z]+$|[A-Z]+(?=&)/g,
      (name) => files[name.toLowerCase() as keyof typeof files],
    )
    const fault = faultOf(`postgres://u:${CANARY}@h/d?${filled}`)
    expect(fault).toContain(`the parameter ${part}`)
    expect(fault).not.toContain(CANARY)
    expect(fault).not.toContain('root:x')
  })

  it('is refused on a Unix socket, which carries none', () => {
    expect(faultOf(`postgres://u:p@/d?host=/tmp&sslmode=require`)).toContain('Unix socket')
  })
})

describe('what is refused', () => {
  it.each([
    ['mysql://u:CANARY@h/d', 'form'],
    ['u:CANARY@h/d', 'form'],
    ['', 'form'],
    ['postgres://u:CANARY#x@h/d', '%23'],
    ['postgres://h/d', 'the user'],
    ['postgres://:CANARY@h/d', 'the user'],
    ['postgres://u:CANARY@h', 'the database'],
    ['postgres://u:CANARY@h/', 'the database'],
    ['postgres://u:CANARY@/d', 'the host'],
    ['postgres://u:CANARY@h1,h2/d', 'list of hosts'],
    ['postgres://u:CANARY@h:1,h:2/d', 'list of hosts'],
    ['postgres://u:CANARY@/d?host=h1,h2', 'list of hosts'],
    ['postgres://u:CANARY@h/d?host=/tmp', 'the host'],
    ['postgres://u:CANARY@h:1/d?port=2', 'the port'],
    ['postgres://u:CANARY@h:0/d', 'the port'],
    ['postgres://u:CANARY@h:65536/d', 'the port'],
    ['postgres://u:CANARY@h:x/d', 'the port'],
    ['postgres://u:CANARY@2001:db8::1/d', 'brackets'],
    ['postgres://u:CANARY@[nonsense]/d', 'brackets'],
    ['postgres://u:CANARY@h h/d', 'the host'],
    ['postgres://u:CANARY%zz@h/d', 'the password'],
    ['postgres://u:CANARY%00@h/d', 'control character'],
    ['postgres://u%0a:CANARY@h/d', 'control character'],
    [`postgres://u:CANARY@h/${'d'.repeat(64)}`, '63 bytes'],
    ['postgres://u:CANARY@h/d?sslmode=require&sslmode=disable', 'given twice'],
    ['postgres://u:CANARY@h/d?pool_size=5', 'pool_size'],
    ['postgres://u:CANARY@h/d?statement_timeout=5', 'statement_timeout'],
    ['postgres://u:CANARY@h/d?connect_timeout=5', 'connectTimeoutMs'],
    ['postgres://u:CANARY@h/d?options=-csearch_path%3Dx', 'options'],
    ['postgres://u:CANARY@h/d?password=CANARY', 'password'],
    // A raw @, / or ? in a password, which then stands in some other part.
    ['postgres://u:a@CANARY@h/d', '%40'],
    ['postgres://u:a/CANARY@h/d', '%2F'],
    ['postgres://u:a?CANARY=1@h/d', '%3F'],
    ['postgres://u:a?CANARY', 'the user'],
    ['postgres://u:1@h/d?CANARY-1=x', 'a parameter'],
  ])('%s', (dsn, part) => {
    const fault = faultOf(dsn.replaceAll('CANARY', CANARY))
    expect(fault).toContain(part)
    expect(fault).not.toContain(CANARY)
  })

  it('never repeats a password, whatever the text', () => {
    const junk = fc.string({
      unit: fc.constantFrom(...Array.from('postgres:/@?#%&=[],. 1aZ\n')),
      maxLength: 30,
    })
    fc.assert(
      fc.property(junk, junk, (before, after) => {
        const dsn = `postgres://u:${before}${CANARY}${after}`
        const error = errorOf(dsn)
        expect(error === undefined || error instanceof InvalidDsnError).toBe(true)
        expect(inspect(error).replace(/\n {4}at .*/g, '')).not.toContain(CANARY)
      }),
      { numRuns: 2_000 },
    )
  })
})
