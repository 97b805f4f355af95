import { createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConnectionTarget } from '../../src/connection/connection.ts'
import { openConnection } from '../../src/connection/open.ts'
import { CancelledError, ServerUnavailableError, TlsFailedError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { type Authority, type Certificate, makeAuthority } from '../support/certificates.ts'
import { type OwnPostgresServer, startPostgres } from '../support/postgres.ts'

const CANARY = 'canary-password-4e'

type Tls = ConnectionTarget['tls']

let authority: Authority
let stranger: Authority
let named: OwnPostgresServer
let misnamed: OwnPostgresServer
let expired: OwnPostgresServer
let plain: OwnPostgresServer
let clientCertificate: Certificate

beforeAll(async () => {
  authority = await makeAuthority()
  stranger = await makeAuthority('Stranger')
  clientCertificate = await authority.issue({ names: [], commonName: 'guest' })
  const certificates = await Promise.all([
    authority.issue({ names: ['127.0.0.1', 'localhost', 'db.example.test'] }),
    authority.issue({ names: ['elsewhere.example.test'] }),
    authority.issue({ names: ['127.0.0.1', 'localhost'], expired: true }),
  ])
  const hba = [
    'hostssl all guest 127.0.0.1/32 scram-sha-256',
    'hostssl all clear 127.0.0.1/32 password',
    'hostssl all certified 127.0.0.1/32 scram-sha-256 clientcert=verify-ca',
    'host all postgres 127.0.0.1/32 scram-sha-256',
    'host all all 127.0.0.1/32 password',
  ]
  const servers = await Promise.all(
    [...certificates, undefined].map((tls) =>
      startPostgres(
        tls
          ? { tls: { ...tls, clientCa: authority.caPem }, hba }
          : { hba: ['host all all 127.0.0.1/32 password'] },
      ),
    ),
  )
  const [a, b, c, d] = servers
  if (!a || !b || !c || !d) throw new Error('four servers')
  named = a
  misnamed = b
  expired = c
  plain = d
  for (const server of servers)
    await server.execute(
      ['guest', 'clear', 'certified']
        .map((name) => `create role ${name} login password '${CANARY}';`)
        .join(''),
    )
}, 60_000)

afterAll(() => Promise.all([named, misnamed, expired, plain].map((server) => server.stop())))

const target = (
  server: OwnPostgresServer,
  tls: Tls,
  changes: Partial<ConnectionTarget> = {},
): ConnectionTarget => ({
  host: '127.0.0.1',
  port: server.port,
  database: 'postgres',
  user: 'guest',
  password: new Secret(CANARY),
  tls,
  ...changes,
})

/** `tls` when the session is encrypted, or the name of the error. */
async function endOf(to: ConnectionTarget): Promise<string> {
  try {
    const connection = await openConnection(to, { connectTimeoutMs: 5_000 })
    const { rows } = await connection.run({
      text: 'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
      rowMode: 'array',
    })
    await connection.close()
    // By TLS the server may answer the goodbye with a reset: it has gone all the same.
    expect(connection.mayLiveOn).toBe(false)
    return rows.flat()[0] === true ? 'tls' : 'plain'
  } catch (error) {
    return String(error).includes(CANARY) ? 'the password in a message' : (error as Error).name
  }
}

describe('the TLS mode', () => {
  it.each([
    ['require', undefined, 'tls'],
    ['verify-ca', undefined, 'TlsFailedError'],
    ['verify-ca', 'ours', 'tls'],
    ['verify-ca', 'another', 'TlsFailedError'],
    ['verify-full', undefined, 'TlsFailedError'],
    ['verify-full', 'ours', 'tls'],
    ['verify-full', 'another', 'TlsFailedError'],
  ] as const)('%s with the authority %s on a right certificate: %s', async (mode, which, end) => {
    expect(await endOf(target(named, { mode, ...ca(which) }))).toBe(end)
  })

  it.each([
    ['require', 'tls'],
    ['verify-ca', 'tls'],
    ['verify-full', 'TlsFailedError'],
  ] as const)('%s on a certificate of another name: %s', async (mode, end) => {
    expect(await endOf(target(misnamed, { mode, ca: authority.caPem }))).toBe(end)
  })

  it.each([
    ['require', 'tls'],
    ['verify-ca', 'TlsFailedError'],
    ['verify-full', 'TlsFailedError'],
  ] as const)('%s on an expired certificate: %s', async (mode, end) => {
    expect(await endOf(target(expired, { mode, ca: authority.caPem }))).toBe(end)
  })

  it.each([
    ['require', 'TlsFailedError'],
    ['verify-ca', 'TlsFailedError'],
    ['verify-full', 'TlsFailedError'],
  ] as const)('%s on a server without TLS: %s', async (mode, end) => {
    expect(await endOf(target(plain, { mode, ca: authority.caPem }))).toBe(end)
  })

  function ca(which: 'ours' | 'another' | undefined): { ca?: string } {
    return which === undefined ? {} : { ca: which === 'ours' ? authority.caPem : stranger.caPem }
  }
})

describe('the name of a certificate', () => {
  it.each([
    ['127.0.0.1', undefined, 'tls'],
    ['localhost', undefined, 'tls'],
    ['127.0.0.1', 'db.example.test', 'tls'],
    ['localhost', '127.0.0.1', 'tls'],
    ['localhost', 'other.example.test', 'TlsFailedError'],
  ])('is compared with the host %s, or the server name %s: %s', async (host, serverName, end) => {
    const tls: Tls = { mode: 'verify-full', ca: authority.caPem, ...(serverName ? { serverName } : {}) }
    expect(await endOf(target(named, tls, { host }))).toBe(end)
  })

  it('is never that of the machine itself where another is meant', async () => {
    const tls: Tls = { mode: 'verify-full', ca: authority.caPem, serverName: 'elsewhere.example.test' }
    expect(await endOf(target(misnamed, tls))).toBe('tls')
    expect(await endOf(target(named, tls))).toBe('TlsFailedError')
  })
})

describe('a client certificate', () => {
  const certified = (tls: Partial<Tls>) =>
    target(named, { mode: 'verify-full', ca: authority.caPem, ...tls }, { user: 'certified' })

  it('is shown where the server wants one', async () => {
    const clientCert = { certificate: clientCertificate.certificate, key: new Secret(clientCertificate.key) }
    expect(await endOf(certified({ clientCert }))).toBe('tls')
    expect(await endOf(certified({}))).toBe('LoginFailedError')
  })

  it('that cannot be used is a TLS failure', async () => {
    const clientCert = { certificate: 'no certificate', key: new Secret(clientCertificate.key) }
    expect(await endOf(certified({ clientCert }))).toBe('TlsFailedError')
    expect(await endOf(certified({ ca: 'no certificate' }))).toBe('TlsFailedError')
  })
})

it('a password asked for in clear text is given inside TLS, and never outside', async () => {
  expect(await endOf(target(named, { mode: 'require' }, { user: 'clear' }))).toBe('tls')
  expect(await endOf(target(named, { mode: 'disable' }, { user: 'clear' }))).toBe('LoginFailedError')
  expect(await endOf(target(plain, { mode: 'disable' }))).toBe('LoginFailedError')
})

it('statements are cancelled through TLS, too', async () => {
  const connection = await openConnection(target(named, { mode: 'verify-full', ca: authority.caPem }), {
    connectTimeoutMs: 5_000,
  })
  const running = connection.run({ text: 'select pg_sleep(30)' })
  await connection.cancel()
  await expect(running).rejects.toBeInstanceOf(CancelledError)
  expect((await connection.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
  await connection.close()
})

describe('a server in the middle', () => {
  /** Answers the TLS request with this and notes what comes after. */
  async function startMiddle(answer: string | Buffer | undefined, before = '') {
    const received: Buffer[] = []
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      if (before) socket.write(before)
      socket.on('data', (chunk) => {
        received.push(chunk)
        if (received.length > 1) return
        if (answer === undefined) socket.end()
        else socket.write(answer)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return {
      port: typeof address === 'object' && address ? address.port : 0,
      received,
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy()
        await new Promise((resolve) => server.close(resolve))
      },
    }
  }

  it.each([
    ['N', 'N', TlsFailedError],
    ['an error', 'E\0\0\0\u0020SFATAL\0', TlsFailedError],
    ['S and more', Buffer.from('SR\0\0\0\u0008\0\0\0\0'), TlsFailedError],
    ['S twice', 'SS', TlsFailedError],
    ['another byte', 'X', TlsFailedError],
    ['the end', undefined, ServerUnavailableError],
  ])('that answers the TLS request with %s hears nothing more', async (_, answer, kind) => {
    await using middle = await startMiddle(answer)
    const error = await openConnection(target(named, { mode: 'require' }, { port: middle.port }), {
      connectTimeoutMs: 2_000,
    }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(kind)
    expect(Buffer.concat(middle.received)).toEqual(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
  })

  it('that speaks before it is asked is refused', async () => {
    await using middle = await startMiddle('S', 'SEvil')
    await expect(
      openConnection(target(named, { mode: 'require' }, { port: middle.port }), { connectTimeoutMs: 2_000 }),
    ).rejects.toBeInstanceOf(TlsFailedError)
    expect(Buffer.concat(middle.received).length).toBeLessThanOrEqual(8)
  })

  it('that says yes and speaks no TLS hears a handshake and nothing else', async () => {
    await using middle = await startMiddle('S')
    await expect(
      openConnection(target(named, { mode: 'require' }, { port: middle.port }), { connectTimeoutMs: 300 }),
    ).rejects.toBeInstanceOf(ServerUnavailableError)
    expect(Buffer.concat(middle.received).toString('latin1')).not.toContain('guest')
  })
})

it('a Unix socket carries no TLS, and says so', async () => {
  expect(await endOf(target(named, { mode: 'require' }, { host: '/tmp' }))).toBe('TlsFailedError')
})
