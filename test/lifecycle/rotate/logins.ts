import pg from 'pg'
import { targetOf } from '../../../src/registry/route.ts'
import type { LifecycleGround } from '../ground.ts'

/** A login as it was at one time, to be tried again later. */
export interface KnownLogin {
  readonly user: string
  readonly password: string
  readonly database: string
  enter(): Promise<pg.Client>
  ask(text: string): Promise<pg.QueryResult>
}

/** As it stands on record now. */
export async function loginOf(ground: LifecycleGround, id: string): Promise<KnownLogin> {
  const record = await ground.tenant(id)
  const server = await ground.registry.find('server', record.route.server)
  if (!server) throw new Error(`no server ${record.route.server}`)
  const target = targetOf(record, server.record, ground.parts.sealer, ground.registry.id)
  const { host, port, user, database } = target
  const password = target.password?.reveal() ?? ''
  const enter = async () => {
    const client = new pg.Client({ host, port, user, password, database })
    client.on('error', () => undefined) // ended by the server, where that is what the test is about
    await client.connect()
    return client
  }
  const ask = async (text: string) => {
    const client = await enter()
    try {
      return await client.query(text)
    } finally {
      await client.end()
    }
  }
  return { user, password, database, enter, ask }
}

/** Those of the roles that the server lets in, whatever their password. */
export async function mayLogin(ground: LifecycleGround, roles: readonly string[]): Promise<string[]> {
  const rows = await ground.server.query<{ name: string }>(
    'select rolname::text as name from pg_roles where rolname = any($1) and rolcanlogin order by 1',
    [roles],
  )
  return rows.map(({ name }) => name)
}
