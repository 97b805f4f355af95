import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openConnection } from '../../src/connection/open.ts'
import { readChallenge, ScramExchange } from '../../src/connection/scram-exchange.ts'
import { ScramKeyCache } from '../../src/connection/scram-keys.ts'
import { LoginFailedError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { type Ground, startGround } from './ground.ts'

const password = new Secret('pencil')
const SALT = Buffer.from('sixteen bytes ok').toString('base64')

/** What a server that knows the password would say, and one that does not. */
function challenged(exchange: ScramExchange, salt = SALT) {
  const nonce = `${/r=(.+)$/.exec(exchange.first)?.[1] ?? ''}server`
  const challenge = readChallenge(`r=${nonce},s=${salt},i=4096`)
  if (!challenge) throw new Error('this is a challenge')
  return challenge
}

function finalOf(
  exchange: ScramExchange,
  challenge: { text: string },
  answer: string,
  known: string,
): string {
  const salted = pbkdf2Sync(known, Buffer.from(SALT, 'base64'), 4096, 32, 'sha256')
  const transcript = `${exchange.first.slice(3)},${challenge.text},${answer.slice(0, answer.lastIndexOf(',p='))}`
  const key = createHmac('sha256', salted).update('Server Key').digest()
  return `v=${createHmac('sha256', key).update(transcript).digest('base64')}`
}

describe('a SCRAM exchange', () => {
  it('takes the proof of a server that knows the password, and of no other', async () => {
    const exchange = new ScramExchange(password, undefined)
    const challenge = challenged(exchange)
    const answer = await exchange.answer(challenge)
    for (const wrong of ['', 'v=', 'v=AAAA', 'e=other-error', finalOf(exchange, challenge, answer, 'pen')])
      expect(exchange.isProof(wrong)).toBe(false)
    expect(exchange.isProof(finalOf(exchange, challenge, answer, 'pencil'))).toBe(true)
  })

  it('takes no proof before a challenge', () => {
    expect(new ScramExchange(password, undefined).isProof('v=')).toBe(false)
  })

  it('answers no nonce but its own, with something of the server in it', () => {
    const exchange = new ScramExchange(password, undefined)
    const own = challenged(exchange)
    expect(exchange.isOurs(own)).toBe(true)
    expect(exchange.isOurs(challenged(new ScramExchange(password, undefined)))).toBe(false)
    expect(exchange.isOurs({ ...own, nonce: own.nonce.slice(0, -'server'.length) })).toBe(false)
  })

  it('keeps keys once the server has proved itself, not before', async () => {
    const cache = new ScramKeyCache()
    const exchange = new ScramExchange(password, cache)
    const challenge = challenged(exchange)
    const answer = await exchange.answer(challenge)
    exchange.isProof('v=AAAA')
    expect(cache.get(password, challenge)).toBeUndefined()
    exchange.isProof(finalOf(exchange, challenge, answer, 'pencil'))
    expect(cache.get(password, challenge)).toBeDefined()
  })

  it('answers from kept keys as it would without them', async () => {
    const cache = new ScramKeyCache()
    const first = new ScramExchange(password, cache)
    const challenge = challenged(first)
    first.isProof(finalOf(first, challenge, await first.answer(challenge), 'pencil'))
    const second = new ScramExchange(password, cache)
    const next = challenged(second)
    const answer = await second.answer(next)
    const keys = cache.get(password, next)
    const proof = Buffer.from(answer.slice(answer.indexOf(',p=') + 3), 'base64')
    const transcript = `${second.first.slice(3)},${next.text},${answer.slice(0, answer.lastIndexOf(',p='))}`
    const signature = createHmac('sha256', keys?.storedKey ?? '')
      .update(transcript)
      .digest()
    const clientKey = proof.map((byte, index) => byte ^ (signature[index] ?? 0))
    expect(createHash('sha256').update(clientKey).digest()).toEqual(keys?.storedKey)
  })

  it('finds nothing for another password, salt or count', async () => {
    const cache = new ScramKeyCache()
    const exchange = new ScramExchange(password, cache)
    const challenge = challenged(exchange)
    exchange.isProof(finalOf(exchange, challenge, await exchange.answer(challenge), 'pencil'))
    expect(cache.get(new Secret('pencils'), challenge)).toBeUndefined()
    expect(cache.get(password, { ...challenge, salt: 'AAAA' })).toBeUndefined()
    expect(cache.get(password, { ...challenge, iterations: 4097 })).toBeUndefined()
  })
})

describe('a password beyond ASCII', () => {
  let ground: Ground

  beforeAll(async () => {
    ground = await startGround()
  })

  afterAll(() => ground[Symbol.asyncDispose]())

  it.each([
    ['letters with marks, and another blank', 'pä ss\u00a0wörd'],
    ['a ligature', 'ﬁx'],
    ['a mark of its own, and a hyphen that nobody sees', 'cafe\u0301 so\u00adft'],
    ['writing from right to left', 'סיסמה'],
    ['both directions, which are hashed as they are', 'סיסמה-ﬁx'],
    ['a control character, as it is', 'ﬁ\u0007x'],
    ['a character of after SASLprep, as it is', 'ﬁ😀'],
    ['nothing that is seen, as it is', '\u00ad'],
  ])('of %s lets in as Postgres hashed it', async (_, text) => {
    const { user } = ground.target
    await ground.server.execute(`alter role ${user} password '${text}'`)
    const connection = await ground.open({ password: new Secret(text) })
    expect((await connection.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
  })
})

describe('logins that share their keys', () => {
  let ground: Ground

  beforeAll(async () => {
    ground = await startGround()
  })

  afterAll(() => ground[Symbol.asyncDispose]())

  it('are let in again and again, and refused once the password is another', async () => {
    const scramKeys = new ScramKeyCache()
    const options = { connectTimeoutMs: 5_000, scramKeys }
    for (let login = 0; login < 3; login++) {
      const connection = await openConnection(ground.target, options)
      expect((await connection.run({ text: 'select 1 as one' })).rows).toEqual([{ one: 1 }])
      await connection.close()
    }
    const wrong = { ...ground.target, password: new Secret('another') }
    await expect(openConnection(wrong, options)).rejects.toBeInstanceOf(LoginFailedError)
    await (await openConnection(ground.target, options)).close()
  })
})
