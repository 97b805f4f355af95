import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { InvalidConfigError, RedisUnavailableError } from '../src/errors.ts'
import { RedisScript } from '../src/redis/redis-script.ts'
import { openRedis, RedisConnection, type RedisOptions } from '../src/redis.ts'
import { Secret } from '../src/secret.ts'
import { makeAuthority } from './support/certificates.ts'
import { startFaultProxy } from './support/fault-proxy.ts'
import { freePort } from './support/free-port.ts'
import { startRedis } from './support/redis.ts'

/** Long enough for a busy machine to answer, where it is not the deadline that is looked at. */
const PATIENT = { deadlineMs: 5_000 }

describe('a connection to Redis', () => {
  it('asks with the password and database of its URL', async () => {
    await using server = await startRedis({ password: 'p@ss/ %41' })
    await using redis = await openRedis(new Secret(`${server.url}/3`), PATIENT)
    await redis.call('set', 'k', 'v')
    expect(await redis.call('get', 'k')).toBe('v')
    expect(await server.command('get', 'k')).toBeNull() // of database 0
  })

  it('speaks TLS with who proves to be the one that was meant', async () => {
    const authority = await makeAuthority()
    const { certificate, key } = await authority.issue({ names: ['localhost'] })
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-redis-tls-'))
    const file = async (name: string, text: string) => {
      await writeFile(join(folder, name), text)
      return join(folder, name)
    }
    const ca = await file('ca.pem', authority.caPem)
    const port = await freePort()
    await using server = await startRedis({
      password: 'secret',
      settings: {
        'tls-port': port,
        'tls-cert-file': await file('server.pem', certificate),
        'tls-key-file': await file('server.key', key),
        'tls-auth-clients': 'no',
      },
    })
    const faults: Error[] = []
    const open = (host: string, query = '') =>
      openRedis(`rediss://:secret@${host}:${port}${query}`, {
        ...PATIENT,
        onFault: (fault) => faults.push(fault),
      })
    {
      await using redis = await open('localhost', `?ca=${ca}`)
      expect(await redis.call('ping')).toBe('PONG')
      await using stranger = await open('127.0.0.1', `?ca=${ca}`)
      await using untrusted = await open('localhost')
      expect([stranger.isAvailable, untrusted.isAvailable]).toEqual([false, false])
    }
    expect(faults.map(({ message }) => message).join()).toMatch(/altnames.+certificate/)
    await server.stop()
    await rm(folder, { recursive: true })
  })

  it('looks for the primary where it finds a replica', async () => {
    await using server = await startRedis()
    await using redis = await openRedis(server.url, { ...PATIENT, onFault: () => undefined })
    const connections = async () =>
      Number(/total_connections_received:(\d+)/.exec(String(await server.command('info')))?.[1])
    const before = await connections()
    await server.command('replicaof', '127.0.0.1', 1)
    await expect(redis.call('set', 'k', 'v')).rejects.toThrow('READONLY')
    await server.command('replicaof', 'no', 'one')
    await vi.waitFor(async () => expect(await redis.call('set', 'k', 'v')).toBe('OK'), 10_000)
    expect((await connections()) - before).toBeGreaterThan(3) // those of this test
  })

  it('says what is wrong with a URL and repeats nothing of it', () => {
    const wrong = [
      'nonsense-s3cret',
      'http://:s3cret@redis',
      'redis://:s3cret@redis/db',
      'redis://:s3cret@redis/0?family=4',
      'redis://:s3cret@redis/0?ca=x.pem',
      'redis://:s3cret%zz@redis',
      'rediss://:s3cret@redis?ca=/no/such/file',
    ]
    for (const url of wrong) {
      const error = thrownBy(() => new RedisConnection(url))
      expect(error).toBeInstanceOf(InvalidConfigError)
      expect(inspect(error)).not.toContain('s3cret')
    }
  })

  it('tells of a wrong password once, without it, and refuses every call at once', async () => {
    await using server = await startRedis({ password: 'right' })
    const faults: Error[] = []
    const url = `redis://:wr0ng@127.0.0.1:${server.port}`
    await using redis = await openRedis(url, { onFault: (fault) => faults.push(fault) })
    await expect(redis.call('ping')).rejects.toThrow(RedisUnavailableError)
    await vi.waitFor(() => expect(faults).toHaveLength(1))
    expect(faults[0]?.message).toContain('WRONGPASS')
    expect(inspect([faults, redis])).not.toContain('wr0ng')
  })

  it('runs a script that Redis has forgotten', async () => {
    await using server = await startRedis()
    await using redis = await openRedis(server.url, PATIENT)
    const script = new RedisScript(`return redis.call('incrby', KEYS[1], ARGV[1])`)
    expect(await redis.run(script, ['n'], [2])).toBe(2)
    await server.command('script', 'flush')
    expect(await redis.run(script, ['n'], [3])).toBe(5)
  })

  it('says of a refused command no more than how Redis names it', async () => {
    await using server = await startRedis()
    await using redis = await openRedis(server.url, PATIENT)
    await redis.call('set', 'k', 's3cret value')
    const error: unknown = await redis.call('lpush', 'k', 's3cret').catch((fault: unknown) => fault)
    expect(error).toBeInstanceOf(RedisUnavailableError)
    expect(inspect(error)).toContain('WRONGTYPE')
    expect(inspect(error)).not.toContain('s3cret')
    expect(redis.isAvailable).toBe(true)
  })
})

describe('a Redis that is not there', () => {
  it('is no error when the connection is opened, and is found when it comes', async () => {
    await using server = await startRedis()
    await server.kill()
    await using redis = await openRedis(server.url, { ...PATIENT, onFault: () => undefined })
    await expect(redis.call('ping')).rejects.toThrow(RedisUnavailableError)
    await server.restart()
    await vi.waitFor(async () => expect(await redis.call('ping')).toBe('PONG'), 10_000)
  })

  it('fails what is under way when it is killed, and is used again when it is back', async () => {
    await using server = await startRedis()
    const faults: Error[] = []
    await using redis = await openRedis(server.url, {
      deadlineMs: 10_000,
      onFault: (fault) => faults.push(fault),
    })
    server.freeze()
    const before = performance.now()
    const underWay = [redis.call('incr', 'n'), redis.call('incr', 'n')]
    await Promise.all([
      server.kill(),
      ...underWay.map((call) => expect(call).rejects.toThrow(RedisUnavailableError)),
    ])
    expect(performance.now() - before).toBeLessThan(5_000) // not its deadline
    await vi.waitFor(() => expect(redis.isAvailable).toBe(false))
    await server.restart()
    await vi.waitFor(() => expect(redis.isAvailable).toBe(true), 10_000)
    expect(await redis.call('incr', 'n')).toBe(1) // nothing was sent again
    expect(faults).toHaveLength(1)
  })

  it('fails what is under way when its connection alone is cut, and does not send it again', async () => {
    await using server = await startRedis()
    await using redis = await openRedis(server.url, { deadlineMs: 10_000, onFault: () => undefined })
    const answer = redis.call('blpop', 'list', 0).catch((fault: unknown) => fault)
    const waiting = async () => String(await server.command('info', 'clients'))
    await vi.waitFor(async () => expect(await waiting()).toContain('blocked_clients:1'))
    await server.command('client', 'kill', 'type', 'normal')
    expect(String(await answer)).toContain('max retries') // at once, not when its time is over
    await vi.waitFor(async () => expect(await redis.call('ping')).toBe('PONG'), 10_000)
    expect(await waiting()).toContain('blocked_clients:0')
  })

  it('costs one deadline when it is stopped, then nothing, and is used again when it goes on', async () => {
    await using server = await startRedis()
    await using redis = await openRedis(server.url, { onFault: () => undefined })
    await vi.waitFor(async () => expect(await redis.call('ping')).toBe('PONG'))
    server.freeze()
    const first = await Promise.all(Array.from({ length: 20 }, () => msToFail(redis)))
    expect(Math.min(...first)).toBeGreaterThan(25) // it was waited for
    expect(Math.max(...first)).toBeLessThan(30 + BUSY_MS)
    const later: number[] = []
    const until = performance.now() + 700 // while its connection is still open
    while (performance.now() < until) {
      later.push(await msToFail(redis))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(later.length).toBeGreaterThan(100) // and not the 23 that would each have waited
    server.resume()
    await vi.waitFor(() => expect(redis.isAvailable).toBe(true), 10_000)
  })

  it('costs one deadline when it answers after two seconds, then nothing, and no answer is taken for another', async () => {
    await using server = await startRedis()
    await using line = await startFaultProxy(server)
    await using redis = await openRedis(`redis://${line.host}:${line.port}`, { onFault: () => undefined })
    await vi.waitFor(async () => expect(await redis.call('ping')).toBe('PONG'))
    await line.setMode('slow', { latencyMs: 2_000 })
    const first = await Promise.all(Array.from({ length: 20 }, () => msToFail(redis)))
    expect(Math.max(...first)).toBeLessThan(30 + BUSY_MS)
    const later: number[] = []
    while (later.length < 50) later.push(await msToFail(redis))
    expect(later.toSorted((a, b) => a - b)[25]).toBeLessThan(15) // none waits
    await line.setMode('pass')
    const numbers = Array.from({ length: 20 }, (_, n) => String(n))
    const echoes = () => Promise.all(numbers.map((n) => redis.call('echo', n)))
    await vi.waitFor(async () => expect(await echoes()).toEqual(numbers), 10_000)
  })

  it('is not taken for gone where it was us who did not listen', async () => {
    await using server = await startRedis()
    await using redis = await openRedis(server.url, { onFault: () => undefined })
    await vi.waitFor(async () => {
      await new Promise((resolve) => setImmediate(resolve)) // what comes next are timers, and then what sockets hold
      const call = redis.call('ping')
      block(300)
      expect(await call).toBe('PONG')
    }, 10_000)
  })

  it('is not asked by more calls at once than may wait', async () => {
    await using server = await startRedis()
    await using redis = await openRedis(server.url, { ...PATIENT, maxCalls: 2 })
    const calls = await Promise.allSettled([redis.call('ping'), redis.call('ping'), redis.call('ping')])
    expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(await redis.call('ping')).toBe('PONG')
  })

  it('closes in time while it is stopped, and lets nothing through afterwards', async () => {
    await using server = await startRedis()
    const options: RedisOptions = { onFault: () => undefined }
    const redis = await openRedis(server.url, options)
    server.freeze()
    const call = redis.call('ping').catch((fault: unknown) => fault)
    const before = performance.now()
    await redis.close()
    expect(performance.now() - before).toBeLessThan(5_000)
    expect(await call).toBeInstanceOf(RedisUnavailableError)
    await expect(redis.call('ping')).rejects.toThrow(RedisUnavailableError)
    server.resume()
    await vi.waitFor(async () => expect(await clientsOf(server)).toBe(1)) // who asks
  })
})

function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (fault) {
    return fault
  }
  return undefined
}

/** What a busy machine may add. */
const BUSY_MS = 1_000

async function msToFail(redis: RedisConnection): Promise<number> {
  const before = performance.now()
  await expect(redis.call('ping')).rejects.toThrow(RedisUnavailableError)
  return performance.now() - before
}

async function clientsOf(server: {
  command(name: string, ...args: string[]): Promise<unknown>
}): Promise<number> {
  return String(await server.command('client', 'list'))
    .trim()
    .split('\n').length
}
