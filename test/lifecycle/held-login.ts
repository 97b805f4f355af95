import { expect, vi } from 'vitest'
import type { LifecycleGround } from './ground.ts'

/** Holds logins into the database after the server has judged their role, and before a view shows them. */
export async function holdLogins({ server }: LifecycleGround, database: string) {
  const holder = await server.connect('postgres')
  await holder.query(`begin; alter database ${database} rename to ${database}_held`)
  const letGo = () => holder.end()
  return { letGo, [Symbol.asyncDispose]: letGo }
}

/** Until one is held there. */
export async function isLetIn({ server }: LifecycleGround, database: string): Promise<void> {
  await vi.waitFor(async () => {
    const starting = await server.query(
      `select from pg_locks l where l.locktype = 'object' and l.classid = 'pg_database'::regclass
         and l.objid = (select oid from pg_database where datname = $1) and not l.granted`,
      [database],
    )
    expect(starting).toHaveLength(1)
  }, 10_000)
  expect(await server.sessionsOf(database)).toBe(0)
}
