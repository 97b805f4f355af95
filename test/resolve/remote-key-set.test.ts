import { decodeProtectedHeader } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { REMOTE_TERMS, RemoteKeySet, type RemoteKeySetTerms } from '../../src/resolve/jwt/remote-key-set.ts'
import { KeyServer, SigningKey } from './issuer.ts'

let first: SigningKey
let second: SigningKey
beforeAll(async () => {
  first = await SigningKey.make('k1')
  second = await SigningKey.make('k2')
})

/** A set on a clock that stands still. */
function held(url: string, change: Partial<RemoteKeySetTerms> = {}) {
  const clock = { now: 0 }
  const set = new RemoteKeySet(url, { ...REMOTE_TERMS, now: () => clock.now, ...change })
  const find = async (key: SigningKey | string) => {
    const header =
      typeof key === 'string' ? { alg: 'ES256', kid: key } : decodeProtectedHeader(await key.sign())
    const found = await set.keyOf({ ...header, alg: 'ES256' }, { payload: '', signature: '' })
    return found.type
  }
  return { clock, find }
}

const unknown = { code: 'ERR_JWKS_NO_MATCHING_KEY' }
const down = { code: 'issuer_unavailable' }

describe('the key set of an issuer', () => {
  it('is fetched once for all who ask, and again when it is old, while what is known goes on being used', async () => {
    await using server = await KeyServer.start(first)
    const { clock, find } = held(server.url)
    await Promise.all(Array.from({ length: 20 }, () => find(first)))
    expect(server.fetches).toBe(1)
    clock.now += REMOTE_TERMS.maxAgeMs + 1
    let answer = () => {}
    server.body = () => new Promise((resolve) => (answer = () => resolve('{"keys":[]}')))
    for (let i = 0; i < 5; i += 1) expect(await find(first)).toBe('public')
    await expect.poll(() => server.fetches).toBe(2)
    answer()
  })

  it('has a new key as soon as a token is signed by it, and an old one no longer', async () => {
    await using server = await KeyServer.start(first)
    const { clock, find } = held(server.url)
    await find(first)
    server.serve(second)
    clock.now += REMOTE_TERMS.pauseMs
    expect(await find(second)).toBe('public')
    await expect(find(first)).rejects.toMatchObject(unknown)
    expect(server.fetches).toBe(2)
  })

  it('is not fetched more often than its pause allows, whatever kids are asked for', async () => {
    await using server = await KeyServer.start(first)
    const { clock, find } = held(server.url)
    await find(first)
    clock.now += REMOTE_TERMS.pauseMs
    for (let i = 0; i < 200; i += 1) await expect(find(`kid-${i}`)).rejects.toMatchObject(unknown)
    expect(server.fetches).toBe(2)
    clock.now += REMOTE_TERMS.pauseMs - 1
    await expect(find('kid')).rejects.toMatchObject(unknown)
    expect(server.fetches).toBe(2)
    clock.now += 1
    await expect(find('kid')).rejects.toMatchObject(unknown)
    expect(server.fetches).toBe(3)
  })

  it.each<[string, (server: KeyServer) => void]>([
    ['answers 500', (server) => (server.status = 500)],
    ['answers what is no JSON', (server) => (server.body = '<html>')],
    ['answers what is no key set', (server) => (server.body = '{"keys":{}}')],
    ['answers a private key', (server) => (server.body = JSON.stringify({ keys: [second.privateJwk] }))],
    ['answers a megabyte', (server) => (server.body = `{"keys":[],"x":"${'x'.repeat(1_000_000)}"}`)],
    ['answers 101 keys', (server) => server.serve(...Array.from({ length: 101 }, () => second))],
    ['never answers', (server) => (server.body = () => new Promise(() => {}))],
  ])('that %s leaves what is known in use, for as long as that may be', async (_what, breakIt) => {
    await using server = await KeyServer.start(first)
    const { clock, find } = held(server.url, { timeoutMs: 100 })
    await find(first)
    breakIt(server)
    clock.now += REMOTE_TERMS.pauseMs
    await expect(find(second)).rejects.toMatchObject(unknown)
    expect(await find(first)).toBe('public')
    clock.now += REMOTE_TERMS.staleMaxMs + 1
    await expect(find(first)).rejects.toMatchObject(down)
    // Nor does a failure make anybody ask again at once.
    for (let i = 0; i < 20; i += 1) await expect(find(first)).rejects.toMatchObject(down)
    expect(server.fetches).toBe(3)
  })

  it('is fetched from where it is and from nowhere that it leads to', async () => {
    await using elsewhere = await KeyServer.start(first)
    await using server = await KeyServer.start()
    server.status = 302
    server.headers = { location: elsewhere.url }
    await expect(held(server.url).find(first)).rejects.toMatchObject(down)
    expect(elsewhere.fetches).toBe(0)
  })

  it('that could not be had at first is there when it answers', async () => {
    await using server = await KeyServer.start(first)
    server.status = 503
    const { clock, find } = held(server.url)
    await expect(find(first)).rejects.toMatchObject(down)
    server.status = 200
    clock.now += REMOTE_TERMS.pauseMs
    expect(await find(first)).toBe('public')
  })
})
