import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { parseDsn } from '../../src/connection/dsn.ts'
import { Session } from '../../src/lifecycle/session.ts'
import { LifecycleGround, randomName } from './ground.ts'

describe('a session of a lifecycle verb', () => {
  it('finds nothing that the database’s owner has put into public, not even for built-in names', async () => {
    await using ground = await LifecycleGround.start(18)
    const database = randomName('planted')
    const dsn = (await ground.foreign(randomName('role'), [database]))(database)
    await ground.server.execute(
      `create function public.planted(a text, b text) returns text language sql as $$select 'planted'$$;
       create operator public.+ (leftarg = text, rightarg = text, function = public.planted)`,
      database,
    )
    await using session = await Session.open(parseDsn(dsn))
    const found = await session.row(
      z.object({ path: z.string(), planted: z.string().nullable() }),
      "select current_setting('search_path') as path, to_regproc('planted')::text as planted",
    )
    expect(found).toEqual({ path: '""', planted: null })
    await expect(session.execute("select 'a'::text + 'b'::text")).rejects.toMatchObject({ sqlstate: '42883' })
  })

  it('stays as long as its verb needs it, whatever its role or database says of idle sessions', async () => {
    await using ground = await LifecycleGround.start(15)
    const [role, database] = [randomName('role'), randomName('idle')]
    const dsn = (await ground.foreign(role, [database]))(database)
    await ground.server.execute(`alter role ${role} set idle_session_timeout = '50ms'`)
    await ground.server.execute(`alter role ${role} set idle_in_transaction_session_timeout = '50ms'`)
    await using session = await Session.open(parseDsn(dsn))
    const shape = z.object({ idle: z.string(), inside: z.string() })
    const text = `select current_setting('idle_session_timeout') as idle,
      current_setting('idle_in_transaction_session_timeout') as inside`
    expect(await session.row(shape, text)).toEqual({ idle: '0', inside: '0' })
  })

  it('is not opened with an empty setting, which the driver would leave out', async () => {
    const target = { ...parseDsn('postgres://nobody@127.0.0.1:1/none'), settings: { search_path: '' } }
    await expect(Session.open(target)).rejects.toThrow('The session setting search_path is empty.')
  })
})
