import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CancelledError, LeaseExpiredError, ResultTooLargeError } from '../../src/errors.ts'
import { ExclusiveSource } from '../../src/router/sql/exclusive-source.ts'
import { createSql } from '../../src/router/sql/sql-facade.ts'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(1)
})
afterAll(async () => await ground[Symbol.asyncDispose]())

async function withSource(test: (source: ExclusiveSource) => Promise<void>, maxBytes?: number) {
  const held = await ground.hold()
  const source = new ExclusiveSource(held.connection, { isRevoked: false, maxBytes })
  await test(source)
  await source.close()
  held.release()
}

describe('one connection for many statements', () => {
  it('has one holder at a time, in the order they came', async () => {
    await withSource(async (source) => {
      const order: number[] = []
      const turns = [1, 2, 3].map(async (n) => {
        const held = await source.hold()
        order.push(n)
        await new Promise(setImmediate)
        order.push(n)
        held.release()
      })
      await Promise.all(turns)
      expect(order).toEqual([1, 1, 2, 2, 3, 3])
    })
  })

  it('is not taken from its present holder by a late release', async () => {
    await withSource(async (source) => {
      const first = await source.hold()
      first.release()
      const second = await source.hold()
      first.release()
      expect(source.isHeld).toBe(true)
      second.release()
      expect(source.isHeld).toBe(false)
    })
  })

  it('forgets who gives up waiting', async () => {
    await withSource(async (source) => {
      const held = await source.hold()
      const gaveUp = new AbortController()
      const waiting = source.hold(gaveUp.signal)
      gaveUp.abort()
      await expect(waiting).rejects.toBeInstanceOf(CancelledError)
      await expect(source.hold(AbortSignal.abort())).rejects.toBeInstanceOf(CancelledError)
      held.release()
      expect(source.isHeld).toBe(false)
    })
  })

  it('serves who comes after one that gave up', async () => {
    await withSource(async (source) => {
      const sql = createSql(source)
      const held = await source.hold()
      const gaveUp = sql`select 1`.execute()
      await new Promise(setImmediate)
      gaveUp.cancel()
      await expect(gaveUp).rejects.toMatchObject({ code: '57014' })
      const next = sql`select 2 as n`.execute()
      await new Promise(setImmediate)
      held.release()
      expect(await next).toEqual([{ n: 2 }])
    })
  })

  it('tells those it refuses why it was closed', async () => {
    await withSource(async (source) => {
      const held = await source.hold()
      const waiting = source.hold()
      const closed = source.close(new LeaseExpiredError('too long'))
      await expect(waiting).rejects.toBeInstanceOf(LeaseExpiredError)
      await expect(source.hold()).rejects.toBeInstanceOf(LeaseExpiredError)
      held.release()
      await closed
    })
  })

  it('caps the answers of every handle over it', async () => {
    await withSource(async (source) => {
      const sql = createSql(source)
      const large = (rows: number) => `select repeat('x', 100) from generate_series(1, ${rows})`
      expect(await sql.unsafe(large(10))).toHaveLength(10)
      await expect(sql.unsafe(large(1_000))).rejects.toBeInstanceOf(ResultTooLargeError)
      await expect(sql.begin((own) => own.unsafe(large(1_000)))).rejects.toBeInstanceOf(ResultTooLargeError)
      expect(await sql`select 1 as n`).toEqual([{ n: 1 }])
    }, 10_000)
  })
})
