import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLOSE } from '../../src/connection/driver.ts'
import type { DriverConnection } from '../../src/connection/driver-connection.ts'
import { type Ground, startGround, unsafeOn } from './ground.ts'

/** A cancel that comes while it waits for the reader of a cursor Postgres forgets; this it answers the next message with. */
const LIMIT_MS = 100
const ROWS = "select i, repeat('x', 20000) as x from generate_series(1, 1000) i"

let ground: Ground
let connection: DriverConnection
beforeEach(async () => {
  ground = await startGround()
  connection = await ground.open()
  await connection.run({ text: `set statement_timeout = ${LIMIT_MS}`, prepare: false })
})
afterEach(() => ground[Symbol.asyncDispose]())

/** Each of the next statements has an answer of its own. */
async function answersOfNext(): Promise<unknown[]> {
  const answers: unknown[] = []
  for (const n of [1, 2, 3]) {
    const text = `select ${n} as n`
    const { rows, command } = await connection.run({ text, rowMode: 'array', prepare: false })
    answers.push([command, rows])
  }
  return answers
}
const OWN = [1, 2, 3].map((n) => ['SELECT', [[n]]])

/** The process does nothing, and so hears nothing. */
function standStill(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('a cursor whose time is over while its reader is at work', () => {
  it('leaves the next statements their own answers', async () => {
    let taken = Promise.resolve()
    const reading = connection.stream({ text: ROWS, prepare: false }, () => (taken = sleep(3 * LIMIT_MS)))
    await expect(reading).rejects.toMatchObject({ code: 'statement_timeout' })
    await connection.run({ text: 'set statement_timeout = 0', prepare: false })
    // The reader ends while this one runs.
    const slow = { text: 'select pg_sleep(0.5)::text, 7 as n', rowMode: 'array', prepare: false } as const
    const [{ rows }] = await Promise.all([connection.run(slow), taken])
    expect(rows).toEqual([['', 7]])
    expect(await answersOfNext()).toEqual(OWN)
  })

  it('does so too where it is cancelled at that moment', async () => {
    for (let round = 0; round < 5; round++) {
      const reading = connection.stream({ text: ROWS, prepare: false }, async () => {
        await sleep(LIMIT_MS / 2)
        standStill(LIMIT_MS)
        void connection.cancel() // before the process hears that the time is over
        await sleep(10)
      })
      expect(await reading.catch((error: unknown) => error)).toBeInstanceOf(Error)
      expect(await answersOfNext()).toEqual(OWN)
    }
  })

  it('does so too where its reader closes it at that moment', async () => {
    const closing = unsafeOn(connection)(ROWS).cursor(2, () => {
      standStill(2 * LIMIT_MS)
      return CLOSE
    })
    await Promise.resolve(closing).catch(() => undefined)
    expect(await answersOfNext()).toEqual(OWN)
  })
})
