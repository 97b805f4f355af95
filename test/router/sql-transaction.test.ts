import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TransactionSql } from '../../src/connection/sql.ts'
import { LeaseReleasedError, NestedLeaseError, UnsupportedError } from '../../src/errors.ts'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(
    2,
    `create table t (n int primary key);
     create table late (n int unique deferrable initially deferred)`,
  )
})
beforeEach(async () => void (await ground.sql()`truncate t, late`))
afterAll(async () => await ground[Symbol.asyncDispose]())

const stored = async () => (await ground.sql()`select n from t order by n`).map((row) => row['n'])
const insert = (sql: TransactionSql, n: number) => sql`insert into t values (${n})`

describe('a transaction', () => {
  it('commits what its body did on one connection, and gives its result', async () => {
    const answer = await ground.sql().begin(async (sql) => {
      const [a] = await sql`select pg_backend_pid() as pid`
      await insert(sql, 1)
      const [b] = await sql`select pg_backend_pid() as pid`
      expect(a).toEqual(b)
      return 'done'
    })
    expect([answer, await stored()]).toEqual(['done', [1]])
  })

  it('takes its mode from letters and blanks alone', async () => {
    const mode = 'isolation level serializable, read only; select 1'
    const [row] = await ground.sql().begin('isolation level serializable, read only', async (sql) => {
      return await sql`select current_setting('transaction_isolation') i, current_setting('transaction_read_only') r`
    })
    expect(row).toEqual({ i: 'serializable', r: 'on' })
    await expect(ground.sql().begin(mode, async () => {})).rejects.toMatchObject({ code: '42601' })
  })

  it('waits for all of a list of statements, in order', async () => {
    const results = await ground
      .sql()
      .begin((sql) => [insert(sql, 1), insert(sql, 2), sql`select count(*)::int from t`])
    expect(results[2]).toEqual([{ count: 2 }])
    expect(await stored()).toEqual([1, 2])
  })

  it('rolls back when the body throws, and rejects with what it threw', async () => {
    const failing = ground.sql().begin(async (sql) => {
      await insert(sql, 1)
      throw new Error('mine')
    })
    await expect(failing).rejects.toThrow('mine')
    expect(await stored()).toEqual([])
  })

  it('rolls back when a statement failed, also where the body caught it', async () => {
    const failing = ground.sql().begin(async (sql) => {
      await insert(sql, 1)
      await sql`select 1/0`.catch(() => 'ignored')
      return 'fine'
    })
    await expect(failing).rejects.toMatchObject({ code: '22012' })
    expect(await stored()).toEqual([])
  })

  it('names the first failure, not those that followed from it', async () => {
    const failing = ground.sql().begin(async (sql) => {
      await sql`select 1/0`.catch(() => 'ignored')
      await insert(sql, 1)
    })
    await expect(failing).rejects.toMatchObject({ code: '22012' })
  })

  it('rolls back when a cursor failed, also where the body caught it', async () => {
    const failing = ground.sql().begin(async (sql) => {
      await insert(sql, 1)
      const reading = async () => {
        for await (const _ of sql`select 1/0`.cursor(1)) expect.unreachable()
      }
      await reading().catch(() => 'ignored')
    })
    await expect(failing).rejects.toMatchObject({ code: '22012' })
    expect(await stored()).toEqual([])
  })

  it('rejects when the commit itself fails', async () => {
    const failing = ground.sql().begin((sql) => [sql`insert into late values (1), (1)`])
    await expect(failing).rejects.toMatchObject({ code: '23505' })
    expect(await ground.sql()`select 1 as n`).toEqual([{ n: 1 }])
  })

  it('awaits a statement that the body left alone before it commits', async () => {
    await ground.sql().begin(async (sql) => {
      void sql`select pg_sleep(0.05)`.execute()
      void insert(sql, 1).execute()
    })
    expect(await stored()).toEqual([1])
  })

  it('rolls back when a statement that the body left alone fails', async () => {
    const failing = ground.sql().begin(async (sql) => {
      await insert(sql, 1)
      void sql`select 1/0`.execute()
    })
    await expect(failing).rejects.toMatchObject({ code: '22012' })
    expect(await stored()).toEqual([])
  })

  it('refuses its handle after the body has ended', async () => {
    const sql = ground.sql()
    const kept = await sql.begin(async (own) => ({ own }))
    await expect(insert(kept.own, 1)).rejects.toBeInstanceOf(LeaseReleasedError)
    await expect(kept.own.savepoint(async () => {})).rejects.toBeInstanceOf(LeaseReleasedError)
    expect(await stored()).toEqual([])
  })

  it('runs what is issued at once one after another', async () => {
    const numbers = await ground.sql().begin(async (sql) => {
      await sql`create temp sequence s`
      return await Promise.all(Array.from({ length: 30 }, () => sql`select nextval('s')::int as n`))
    })
    expect(numbers.map(([row]) => row?.['n'])).toEqual(Array.from({ length: 30 }, (_, n) => n + 1))
  })

  it('gives its connection back, whatever happened', async () => {
    const sql = ground.sql()
    await sql.begin(async (own) => await own`select 1`)
    await sql.begin(async (own) => await own`select 1/0`).catch(() => {})
    await sql.begin('nonsense', async () => {}).catch(() => {})
    await expect.poll(() => ground.idle).toBe(2)
  })

  it('rejects, and the process lives, when its backend is ended under it', async () => {
    await using own = await Ground.open(1)
    const failing = own.sql().begin(async (sql) => {
      await sql`select 1`
      await sql`select pg_terminate_backend(pg_backend_pid())`
    })
    await expect(failing).rejects.toBeInstanceOf(Error)
    await own.connections[0]?.closed
    await own.connect()
    expect(await own.sql()`select 1 as n`).toEqual([{ n: 1 }])
  })

  it('refuses the handle around it where they share one connection, instead of waiting for itself', async () => {
    const { sql, release } = await ground.lease()
    const waiting = sql.begin(async () => await sql`select 1`)
    await expect(waiting).rejects.toBeInstanceOf(NestedLeaseError)
    expect(await sql`select 1 as n`).toEqual([{ n: 1 }])
    await release()
  })

  it('refuses a two-phase commit by name', async () => {
    const failing = ground.sql().begin(async (sql) => await sql.prepare('x'))
    await expect(failing).rejects.toBeInstanceOf(UnsupportedError)
  })

  it('lets what its body has started use the handle around it afterwards', async () => {
    const { sql, release } = await ground.lease()
    let end = () => {}
    const over = new Promise<void>((resolve) => {
      end = resolve
    })
    const later = await sql.begin(async () => ({
      answers: over.then(() => Promise.all([sql`select 1 as n`, sql`select 2 as n`])),
    }))
    end()
    expect(await later.answers).toEqual([[{ n: 1 }], [{ n: 2 }]])
    await release()
  })

  it('starts nothing more on a lease that was given back under it, and leaves it to its owner', async () => {
    const { sql, connection, release } = await ground.lease()
    const failing = sql.begin(async (own) => {
      const running = own`select pg_sleep(0.1)`.execute()
      const queued = insert(own, 1).catch((error: unknown) => error)
      await running
      expect(await queued).toBeInstanceOf(LeaseReleasedError)
    })
    const outcome = failing.catch((error: unknown) => error)
    await expect.poll(() => connection.transaction === 'open' && connection.isBusy).toBe(true)
    const released = release()
    expect(await outcome).toBeInstanceOf(LeaseReleasedError)
    await released
    expect(connection.isOpen).toBe(true)
    expect(await stored()).toEqual([])
  })
})

describe('a savepoint', () => {
  it('undoes its own work alone', async () => {
    await ground.sql().begin(async (sql) => {
      await insert(sql, 1)
      await sql.savepoint('odd "name', async (inner) => {
        await insert(inner, 2)
        await inner.savepoint(async (innermost) => void (await insert(innermost, 3)))
      })
      const failing = sql.savepoint(async (inner) => {
        await insert(inner, 4)
        await insert(inner, 1)
      })
      await expect(failing).rejects.toMatchObject({ code: '23505' })
      await insert(sql, 5)
    })
    expect(await stored()).toEqual([1, 2, 3, 5])
  })

  it('fails the transaction when nobody catches it', async () => {
    const failing = ground.sql().begin(async (sql) => {
      await insert(sql, 1)
      await sql.savepoint((inner) => [insert(inner, 1)])
    })
    await expect(failing).rejects.toMatchObject({ code: '23505' })
    expect(await stored()).toEqual([])
  })

  it('takes turns with those beside it, so that none undoes another', async () => {
    await ground.sql().begin(async (sql) => {
      const one = (n: number) =>
        sql.savepoint(async (inner) => {
          await insert(inner, n)
          if (n % 2 === 0) throw new Error('even')
        })
      await Promise.allSettled([1, 2, 3, 4, 5].map(one))
    })
    expect(await stored()).toEqual([1, 3, 5])
  })

  it('lets the handles around it be used within it', async () => {
    await ground.sql().begin(async (sql) => {
      await sql.savepoint(async () => {
        await insert(sql, 1)
        await sql.savepoint(async (inner) => void (await insert(inner, 2)))
      })
    })
    expect(await stored()).toEqual([1, 2])
  })

  it('refuses its handle after its body has ended', async () => {
    await ground.sql().begin(async (sql) => {
      const kept = await sql.savepoint(async (inner) => ({ inner }))
      await expect(insert(kept.inner, 1)).rejects.toBeInstanceOf(LeaseReleasedError)
    })
    expect(await stored()).toEqual([])
  })
})
