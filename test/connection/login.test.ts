import { createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ConnectionTarget } from '../../src/connection/connection.ts'
import { openConnection } from '../../src/connection/open.ts'
import { CancelledError, LoginFailedError, ServerUnavailableError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { type FaultMode, startFaultProxy } from '../support/fault-proxy.ts'
import { freePort } from '../support/free-port.ts'
import { type OwnPostgresServer, startPostgres } from '../support/postgres.ts'
import { type Ground, startGround } from './ground.ts'

let ground: Ground

beforeAll(async () => {
  ground = await startGround()
})

afterAll(() => ground[Symbol.asyncDispose]())

const failureOf = (target: ConnectionTarget, connectTimeoutMs = 2_000): Promise<unknown> =>
  openConnection(target, { connectTimeoutMs }).then(
    () => 'no error',
    (error: unknown) => error,
  )

const message = (type: string, ...parts: (Buffer | string)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  const header = Buffer.alloc(5)
  header.write(type)
  header.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

const request = (kind: number, text = ''): Buffer => {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(kind)
  return message('R', number, text)
}

/** A server that is none: it answers the n-th chunk of its client with the n-th of these. */
interface HostileServer extends AsyncDisposable {
  readonly target: ConnectionTarget
  readonly received: Buffer[]
}

async function startHostileServer(...answers: readonly (Buffer | string)[]): Promise<HostileServer> {
  const received: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    let next = 0
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      received.push(chunk)
      const answer = answers[next++]
      if (answer !== undefined) socket.write(answer)
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    target: { ...ground.target, port, password: new Secret('canary-password-9d1') },
    received,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const SASL = request(10, 'SCRAM-SHA-256\0\0')
const READY = message('Z', 'I')

describe('the login', () => {
  it.each([
    ['clear text', [request(3)]],
    ['MD5', [request(5, 'salt')]],
    ['Kerberos', [request(2)]],
    ['SCRAM with channel binding alone', [request(10, 'SCRAM-SHA-256-PLUS\0\0')]],
    ['10,000,000 SCRAM iterations', [SASL, request(11, 'r=x,s=AAAA,i=10000000')]],
    ['no SCRAM iterations', [SASL, request(11, 'r=x,s=AAAA')]],
    ['SCRAM iterations that are no number', [SASL, request(11, 'r=x,s=AAAA,i=abc')]],
    ['a malformed challenge', [SASL, request(11, '\0\0')]],
    ['no proof that it knows the password', [SASL, request(11, 'r=x,s=AAAA,i=1'), request(0)]],
    ['the nonce of another login', [SASL, request(11, 'r=x,s=AAAA,i=1')]],
    ['a signature before a challenge', [SASL, request(12, 'v=AAAA')]],
    ['statements from somebody who was not let in', [READY]],
    ['statements in place of the proof that it knows the password', [SASL, READY]],
    ['statements in place of a signature', [SASL, Buffer.concat([request(11, 'r=x,s=AAAA,i=1'), READY])]],
    ['a password after it has let in', [Buffer.concat([request(0), SASL, READY])]],
  ])('refuses a server that wants or offers %s', async (_, answers) => {
    await using server = await startHostileServer(...answers)
    const start = performance.now()
    const error = await failureOf(server.target)
    expect(error).toBeInstanceOf(LoginFailedError)
    expect((error as LoginFailedError).sqlstate).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(500)
    expect(String(Buffer.concat(server.received))).not.toContain('canary')
    expect((error as Error).message).not.toContain('canary')
  })

  it.each([
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['an error of before the protocol', 'Ecould not fork new process\n\0'],
    ['a length of zero', Buffer.from([0x52, 0, 0, 0, 0])],
    ['rows', message('D', Buffer.alloc(20))],
    ['a message of a gigabyte', Buffer.from([0x4e, 0x40, 0, 0, 0])],
    ['an authentication request without a kind', message('R')],
  ])('refuses a server that speaks %s', async (_, answer) => {
    await using server = await startHostileServer(answer)
    expect(await failureOf(server.target)).toMatchObject({
      code: expect.stringMatching(/^(server_unavailable|login_failed)$/),
    })
  })

  it('survives an error without an SQLSTATE', async () => {
    await using server = await startHostileServer(message('E', 'SFATAL\0Mnope\0\0'))
    expect(await failureOf(server.target)).toBeInstanceOf(ServerUnavailableError)
  })

  it('sends no password where the route has none', async () => {
    const error = await failureOf({ ...ground.target, password: undefined })
    expect(error).toBeInstanceOf(LoginFailedError)
  })
})

describe('what a real server says of a login', () => {
  it('is told by its SQLSTATE', async () => {
    const wrong = await failureOf({ ...ground.target, password: new Secret('wrong') })
    expect(wrong).toBeInstanceOf(LoginFailedError)
    expect(wrong).toMatchObject({ sqlstate: '28P01' })
    expect(await failureOf({ ...ground.target, database: 'nowhere' })).toMatchObject({
      code: 'login_failed',
      sqlstate: '3D000',
    })
  })
})

describe('a small server', () => {
  let server: OwnPostgresServer
  let target: ConnectionTarget

  beforeAll(async () => {
    server = await startPostgres({
      settings: { max_connections: '6', max_wal_senders: '0', unix_socket_directories: '/tmp' },
      hba: [
        'local all clear_guest password',
        'local all md5_guest md5',
        'local all all scram-sha-256',
        'host all all 127.0.0.1/32 scram-sha-256',
      ],
    })
    await server.createRole('guest', 'guest')
    await server.createRole('clear_guest', 'guest')
    await server.execute("set password_encryption = md5; create role md5_guest login password 'guest'")
    const { port } = server
    target = { ...ground.target, port, user: 'guest', database: 'postgres', password: new Secret('guest') }
  })

  afterAll(() => server.stop())

  it('is no capacity when it is full', async () => {
    const attempts = await Promise.allSettled(
      Array.from({ length: 7 }, () => openConnection(target, { connectTimeoutMs: 5_000 })),
    )
    const failures = attempts.flatMap((attempt) => (attempt.status === 'rejected' ? [attempt.reason] : []))
    expect(failures.length).toBeGreaterThanOrEqual(4)
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(ServerUnavailableError)
      expect(failure).toMatchObject({ sqlstate: '53300' })
    }
    for (const attempt of attempts) if (attempt.status === 'fulfilled') await attempt.value.close()
  })

  it.each(['clear_guest', 'md5_guest'])('has %s let in where nobody can listen', async (user) => {
    const connection = await openConnection({ ...target, host: '/tmp', user }, { connectTimeoutMs: 5_000 })
    expect((await connection.run({ text: 'select current_user as me' })).rows).toEqual([{ me: user }])
    await connection.close()
  })

  it('lets in over a Unix socket', async () => {
    const connection = await openConnection({ ...target, host: '/tmp' }, { connectTimeoutMs: 5_000 })
    expect((await connection.run({ text: 'select inet_client_addr() as address' })).rows).toEqual([
      { address: null },
    ])
    const outcome = connection.run({ text: 'select pg_sleep(30)' }).catch((error: unknown) => error)
    // Again until it is over: a cancel that overtakes its statement does nothing.
    await vi.waitFor(async () => {
      await connection.cancel()
      expect(connection.isBusy).toBe(false)
    })
    expect(await outcome).toBeInstanceOf(CancelledError)
    await connection.close()
  })
})

describe('a server that cannot be reached', () => {
  it.each<[FaultMode, number]>([
    ['refuse', 500],
    ['accept-close', 500],
    ['reset', 500],
    ['black-hole', 900],
    ['half-open', 900],
  ])('%s: is unavailable, in time', async (mode, withinMs) => {
    await using proxy = await startFaultProxy({ host: ground.target.host, port: ground.target.port })
    await proxy.setMode(mode)
    const start = performance.now()
    const error = await failureOf({ ...ground.target, port: proxy.port }, 300)
    expect(error).toBeInstanceOf(ServerUnavailableError)
    expect((error as ServerUnavailableError).sqlstate).toBeUndefined()
    expect(performance.now() - start).toBeLessThan(withinMs)
  })

  it('by a name that does not exist is unavailable', async () => {
    expect(await failureOf({ ...ground.target, host: 'nowhere.invalid' })).toBeInstanceOf(
      ServerUnavailableError,
    )
  })

  it('is given up when the caller aborts, before and while connecting', async () => {
    await using proxy = await startFaultProxy({ host: ground.target.host, port: ground.target.port })
    await proxy.setMode('black-hole')
    const target = { ...ground.target, port: proxy.port }
    const controller = new AbortController()
    const opening = openConnection(target, { connectTimeoutMs: 5_000, signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await expect(opening).rejects.toBeInstanceOf(CancelledError)
    await expect(
      openConnection(target, { connectTimeoutMs: 5_000, signal: controller.signal }),
    ).rejects.toBeInstanceOf(CancelledError)
  })
})

it('listens for notifications where it is asked to', async () => {
  const heard: unknown[] = []
  const connection = await openConnection(ground.target, {
    connectTimeoutMs: 2_000,
    onNotification: (channel, payload) => heard.push([channel, payload]),
  })
  await connection.run({ text: 'listen news' })
  await connection.run({ text: "select pg_notify('news', 'hello')" })
  expect(heard).toEqual([['news', 'hello']])
  await connection.close()
})
