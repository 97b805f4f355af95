import type { Row } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(1)
})
afterAll(async () => await ground[Symbol.asyncDispose]())

const series = (to: number) => ground.sql()`select n from generate_series(1, ${to}::int) n`
/** On the one connection there is: nothing of the cursor may be left on it. */
async function expectUsable() {
  for (let i = 0; i < 3; i++) expect(await ground.sql()`select 7 as n`).toEqual([{ n: 7 }])
}

describe('a cursor', () => {
  it('gives batches of the size that was asked for', async () => {
    const batches: number[][] = []
    for await (const rows of series(5).cursor(2)) batches.push(rows.map((row) => row['n']))
    expect(batches).toEqual([[1, 2], [3, 4], [5]])
    await expectUsable()
  })

  it('gives one row at a time unless told otherwise', async () => {
    const sizes: number[] = []
    for await (const rows of series(3).cursor()) sizes.push(rows.length)
    expect(sizes).toEqual([1, 1, 1])
    await expectUsable()
  })

  it('calls back with each batch, and waits for it', async () => {
    const seen: number[] = []
    const take = async (rows: Row[]) => {
      await new Promise(setImmediate)
      seen.push(...rows.map((row) => row['n']))
    }
    // The driver's type of the callback says that nobody waits for it.
    await series(5).cursor(2, (rows) => take(rows) as never)
    expect(seen).toEqual([1, 2, 3, 4, 5])
    await expectUsable()
  })

  it('ends when the callback answers CLOSE', async () => {
    const sql = ground.sql()
    let batches = 0
    await series(1_000).cursor(10, () => {
      batches++
      return sql.CLOSE as never
    })
    expect(batches).toBe(1)
    await expectUsable()
  })

  it('frees the connection when the loop is left by break, and when it throws', async () => {
    for await (const rows of series(1_000).cursor(10)) {
      expect(rows).toHaveLength(10)
      break
    }
    await expectUsable()
    const loop = async () => {
      for await (const _ of series(1_000).cursor(10)) throw new Error('mine')
    }
    await expect(loop()).rejects.toThrow('mine')
    await expectUsable()
  })

  it('leaves no rows behind for the next statement when the callback throws', async () => {
    const failing = series(1_000).cursor(10, () => {
      throw new Error('mine')
    })
    await expect(failing).rejects.toThrow('mine')
    await expectUsable()
  })

  it('leaves no rows behind when the callback throws at a later batch', async () => {
    let batches = 0
    const failing = series(1_000).cursor(10, () => {
      if (++batches === 3) return Promise.reject(new Error('mine')) as never
    })
    await expect(failing).rejects.toThrow('mine')
    await expectUsable()
  })

  it('rejects the loop when the statement fails at its beginning or on its way', async () => {
    const sql = ground.sql()
    const read = async (statement: ReturnType<typeof series>) => {
      const seen: unknown[] = []
      for await (const rows of statement.cursor(2)) seen.push(...rows)
      return seen
    }
    await expect(read(sql`select * from none`)).rejects.toMatchObject({ code: '42P01' })
    await expectUsable()
    await expect(read(sql`select 1 / (5 - n) from generate_series(1, 9) n`)).rejects.toMatchObject({
      code: '22012',
    })
    await expectUsable()
  })

  it('reads nothing from an empty result', async () => {
    const batches: unknown[] = []
    for await (const rows of series(0).cursor(5)) batches.push(rows)
    expect(batches).toEqual([])
    await expectUsable()
  })

  it('holds its connection until it has ended, and others wait', async () => {
    const order: string[] = []
    const other: Promise<unknown>[] = []
    for await (const _ of series(3).cursor(1)) {
      if (order.length === 0) other.push(ground.sql()`select 1`.then(() => order.push('other')))
      order.push('row')
    }
    await Promise.all(other)
    expect(order).toEqual(['row', 'row', 'row', 'other'])
  })

  it('rejects row by row reading when the reader throws', async () => {
    const failing = series(100).forEach(() => {
      throw new Error('mine')
    })
    await expect(failing).rejects.toThrow('mine')
    await expectUsable()
  })
})
