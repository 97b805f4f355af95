import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LeaseReleasedError, UnsupportedError } from '../../src/errors.ts'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(2)
})
afterAll(async () => await ground[Symbol.asyncDispose]())

describe('a reservation', () => {
  it('keeps one connection until it is released', async () => {
    const reserved = await ground.sql().reserve()
    const [a] = await reserved`select pg_backend_pid() as pid`
    const [b] = await reserved`select pg_backend_pid() as pid`
    expect([a, ground.idle]).toEqual([b, 1])
    reserved.release()
    await expect.poll(() => ground.idle).toBe(2)
  })

  it('is given back once, however often it is released', async () => {
    const sql = ground.sql()
    const first = await sql.reserve()
    first.release()
    first.release()
    await expect.poll(() => ground.idle).toBe(2)
    const second = await sql.reserve()
    first.release()
    let hasEnded = false
    const ended = sql.end().then(() => {
      hasEnded = true
    })
    await new Promise(setImmediate)
    expect([hasEnded, ground.idle]).toEqual([false, 1])
    second.release()
    await ended
    await expect.poll(() => ground.idle).toBe(2)
  })

  it('refuses statements after its release, and lets the running one end first', async () => {
    const reserved = await ground.sql().reserve()
    const running = reserved`select pg_sleep(0.05)::text as slept`.execute()
    const waiting = reserved`select 1`.execute()
    await Promise.resolve()
    reserved.release()
    await expect(waiting).rejects.toBeInstanceOf(LeaseReleasedError)
    expect(ground.idle).toBe(1)
    expect(await running).toEqual([{ slept: '' }])
    await expect(reserved`select 1`).rejects.toBeInstanceOf(LeaseReleasedError)
    await expect(reserved.begin(async () => {})).rejects.toBeInstanceOf(LeaseReleasedError)
    await expect.poll(() => ground.idle).toBe(2)
  })

  it('runs transactions of its own, by begin and by hand', async () => {
    const reserved = await ground.sql().reserve()
    await reserved`create temp table mine (n int)`
    await reserved.begin((sql) => [sql`insert into mine values (1)`])
    await reserved`begin`
    await reserved`insert into mine values (2)`
    await reserved`rollback`
    expect(await reserved`select n from mine`).toEqual([{ n: 1 }])
    reserved.release()
    await expect.poll(() => ground.idle).toBe(2)
  })
})

describe('the end of a handle', () => {
  it('refuses what comes later, waits for what is under way, and leaves other handles alone', async () => {
    const sql = ground.sql()
    let isDone = false
    const running = sql.begin(async (own) => {
      await own`select pg_sleep(0.05)`
      isDone = true
    })
    await sql.end()
    expect(isDone).toBe(true)
    await running
    await expect(sql`select 1`).rejects.toBeInstanceOf(LeaseReleasedError)
    await expect(sql.reserve()).rejects.toBeInstanceOf(LeaseReleasedError)
    expect(await ground.sql()`select 1 as n`).toEqual([{ n: 1 }])
  })

  it('waits no longer than its timeout', async () => {
    const sql = ground.sql()
    const reserved = await sql.reserve()
    await sql.end({ timeout: 0.01 })
    expect(await reserved`select 1 as n`).toEqual([{ n: 1 }])
    reserved.release()
    await sql.end()
    await expect.poll(() => ground.idle).toBe(2)
  })
})

describe('a handle', () => {
  it('runs the statements of a lease one after another, in their order', async () => {
    const { sql, release } = await ground.lease()
    const order: number[] = []
    await Promise.all([1, 2, 3, 4].map((n) => sql`select pg_sleep(${0.02 / n})`.then(() => order.push(n))))
    expect(order).toEqual([1, 2, 3, 4])
    await release()
    await expect(sql`select 1`).rejects.toBeInstanceOf(LeaseReleasedError)
  })

  it('refuses by name what a shared connection cannot do, and says what can', () => {
    const sql = ground.sql()
    expect(() => sql.listen('news', () => {})).toThrow(UnsupportedError)
    expect(() => sql.subscribe('*', () => {})).toThrow(/beside the router/)
    expect(() => sql.largeObject()).toThrow(/lo_/)
  })

  it('holds nothing that leads to the server', () => {
    const sql = ground.sql()
    const shown = JSON.stringify(sql.options)
    expect(shown).not.toContain(ground.server.superuser.password)
    expect(Object.keys(sql.options)).not.toContain('pass')
  })

  it('shows what its server reports once it has been asked', async () => {
    const sql = ground.sql()
    await sql`select 1`
    expect(sql.parameters).toMatchObject({ client_encoding: 'UTF8', TimeZone: 'UTC' })
  })

  it('throws for a helper that is awaited in place of a statement', async () => {
    const helper = ground.sql()({ a: 1 }) as unknown as Promise<void>
    await expect(async () => await helper).rejects.toMatchObject({ code: 'NOT_TAGGED_CALL' })
  })
})
