import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../src/demo/free-port.ts'
import { postgresAccount } from '../../../src/demo/postgres-account.ts'
import { startProxy } from '../../delay/start-delay.ts'
import type { Address } from '../../ground/ground.ts'
import { type BenchTenant, dsnOf } from '../../ground/tenants.ts'
import type { Contestant, RunningContestant } from '../../load/contestant.ts'
import { startProcess } from '../../process/start-process.ts'
import type { Stage } from '../../scenario.ts'
import { startPeer } from '../start-peer.ts'

const SERVER = new URL('./server.ts', import.meta.url)
const TEMPLATE = new URL('./pgbouncer.ini', import.meta.url)
/** Debian puts it where the PATH of an ordinary user does not look. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`

export interface PgBouncerPlan {
  readonly tenants: readonly BenchTenant[]
  readonly budget: number
  /** One role for all tenants, or one each. */
  readonly role: 'shared' | 'ordinary'
  /** Server connections of one tenant at most. */
  readonly poolSize: number
  /** Client connections of one tenant, kept open. */
  readonly clientsPerTenant: number
}

/**
 * Hono and PgBouncer in transaction mode. PgBouncer is beside Postgres, so the delay, if any, is before it: its
 * logins are not delayed, which is the better place for it where logins are many.
 */
export function pgBouncer(stage: Stage, plan: PgBouncerPlan): Contestant {
  const key = `peer_${randomBytes(32).toString('base64url')}`
  const { budget, role, poolSize, clientsPerTenant } = plan
  const roles = role === 'shared' ? 'one shared role' : 'a role for each tenant'
  return {
    name: `pgbouncer-${role === 'shared' ? 'shared-role' : 'role-per-tenant'}`,
    description: `Hono, ${clientsPerTenant} kept client connections a tenant, PgBouncer in transaction mode, ${roles}, ${budget} server connections, at most ${poolSize} a tenant`,
    keyOf: () => key,
    start: () => start(stage, plan, key),
  }
}

async function start(stage: Stage, plan: PgBouncerPlan, key: string): Promise<RunningContestant> {
  const parts: AsyncDisposable[] = []
  const keep = <T extends AsyncDisposable>(part: T): T => {
    parts.unshift(part)
    return part
  }
  const dispose = async () => {
    for (const part of parts) await part[Symbol.asyncDispose]()
  }
  try {
    const bouncer = keep(await startBouncer(stage, plan))
    const { latencyMs, folder } = stage
    const delay = latencyMs === 0 ? undefined : keep(await startProxy(bouncer.address, latencyMs, folder))
    const { address } = delay ?? bouncer
    const { role, clientsPerTenant } = plan
    const tenants = Object.fromEntries(
      plan.tenants.map((tenant) => [tenant.id, dsnOf(tenant, role, address)]),
    )
    const app = keep(await startPeer(SERVER, { key, tenants, clientsPerTenant }, folder))
    const pids = [...app.pids, bouncer.pid]
    return { url: app.url, pids, delayPids: delay?.pids ?? [], [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

interface Bouncer extends AsyncDisposable {
  readonly pid: number
  readonly address: Address
}

async function startBouncer(stage: Stage, plan: PgBouncerPlan): Promise<Bouncer> {
  const address = { host: '127.0.0.1', port: await freePort() }
  // Readable for the user that PgBouncer runs as, which is never root.
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-bench-pgbouncer-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const account = await postgresAccount()
    const iniPath = await writeConfig(stage, plan, folder, address.port)
    if (account) await giveTo(account, folder)
    const running = await startProcess({
      command: ['pgbouncer', '--quiet', iniPath],
      env: { PATH },
      listensAt: address,
      logPath: join(stage.folder, 'pgbouncer.log'),
      account,
    })
    const dispose = async () => {
      await running[Symbol.asyncDispose]()
      await remove()
    }
    return { pid: running.pid, address, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await remove()
    throw error
  }
}

async function writeConfig(
  { ground: { address } }: Stage,
  { tenants, budget, role, poolSize }: PgBouncerPlan,
  folder: string,
  port: number,
): Promise<string> {
  const databases = tenants.map(
    ({ place: { database } }) => `${database} = host=${address.host} port=${address.port} dbname=${database}`,
  )
  const users = new Map(
    tenants.map(({ place: { logins } }) => [logins[role].role, logins[role].verifier] as const),
  )
  const paths = { ini: join(folder, 'pgbouncer.ini'), users: join(folder, 'users.txt') }
  const values: Record<string, string> = {
    databases: databases.join('\n'),
    port: String(port),
    auth_file: paths.users,
    budget: String(budget),
    pool_size: String(poolSize),
  }
  const template = await readFile(TEMPLATE, 'utf8')
  await writeFile(
    paths.ini,
    template.replace(/<(\w+)>/g, (all, name: string) => values[name] ?? all),
    { mode: 0o600 },
  )
  await writeFile(paths.users, [...users].map(([name, verifier]) => `"${name}" "${verifier}"\n`).join(''), {
    mode: 0o600,
  })
  return paths.ini
}

async function giveTo({ uid, gid }: { uid: number; gid: number }, folder: string): Promise<void> {
  await chmod(folder, 0o711)
  for (const name of ['pgbouncer.ini', 'users.txt']) await chown(join(folder, name), uid, gid)
}
