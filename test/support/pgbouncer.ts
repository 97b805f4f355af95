import { spawn } from 'node:child_process'
import { chown, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { makeFolder } from '../../src/demo/cluster.ts'
import { type PostgresAccount, postgresAccount } from '../../src/demo/postgres-account.ts'
import { isAlive, signal } from '../../src/demo/process-table.ts'
import { InternalError } from '../../src/errors.ts'
import { freePort } from './free-port.ts'
import { freeze } from './freeze.ts'
import { pgBouncerBinary } from './pgbouncer-binary.ts'
import { rememberProcess } from './started-processes.ts'

const READY_MS = 20_000
const GONE_MS = 5_000
const ATTEMPTS = 5
const ADMIN = { user: 'pooler_admin', password: 'pooler_admin' }

export interface PgBouncerOptions {
  /** The server behind it. */
  readonly server: { readonly host: string; readonly port: number }
  readonly poolMode: 'session' | 'transaction'
  /** Who may log in; it logs in to the server with the same name and password. */
  readonly users?: readonly PoolerUser[]
  /** A superuser, as whom it asks the server for the passwords of all others. */
  readonly authUser?: PoolerUser
  /** Names, each leading to the database of that name; or a map of names to databases. Default: every database. */
  readonly databases?: readonly string[] | Readonly<Record<string, string>>
  /** Connections to the server for one database. Default: no limit. */
  readonly maxDbConnections?: number
  /** Connections to the server for one pair of database and user. Default: 20. */
  readonly defaultPoolSize?: number
  /** Further lines of its configuration. */
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface PoolerUser {
  readonly name: string
  readonly password: string
}

/** A real PgBouncer with SCRAM passwords, which ignores no startup parameter. Stop it: `await using`. */
export class PgBouncer implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly pid: number
  readonly #folder: string
  readonly #forget: () => void
  #stopping: Promise<void> | undefined

  constructor(port: number, pid: number, folder: string) {
    this.port = port
    this.pid = pid
    this.#folder = folder
    this.#forget = rememberProcess(pid, folder)
  }

  /** A command of its console, as `show pools`. */
  async console<Row extends pg.QueryResultRow = Record<string, unknown>>(command: string): Promise<Row[]> {
    const client = new pg.Client({ host: this.host, port: this.port, database: 'pgbouncer', ...ADMIN })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<Row>(command)).rows
    } finally {
      await client.end()
    }
  }

  /** What it wrote to its log so far. */
  log(): Promise<string> {
    return readFile(join(this.#folder, 'pgbouncer.log'), 'utf8')
  }

  /** New clients are accepted by the kernel and never answered; those connected hear nothing. */
  pause(): void {
    freeze(this.pid)
  }

  resume(): void {
    signal(this.pid, 'SIGCONT')
  }

  /** Safe to call again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#end()
    return this.#stopping
  }

  async #end(): Promise<void> {
    this.resume()
    signal(this.pid, 'SIGTERM') // at once, with clients connected
    const deadline = performance.now() + GONE_MS
    while (isAlive(this.pid)) {
      if (performance.now() > deadline) signal(this.pid, 'SIGKILL')
      await delay(10)
    }
    this.#forget()
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Resolves when it takes clients, on a free loopback port. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const binary = await pgBouncerBinary()
  const account = await postgresAccount() // PgBouncer refuses to run as root, too
  for (let attempt = 1; ; attempt++) {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-pgbouncer-'))
    await makeFolder(folder, account)
    const port = await freePort()
    const file = await configure(options, { folder, port, account })
    const pooler = new PgBouncer(port, await launch(binary, file, folder, account), folder)
    if (await isReady(pooler)) return pooler
    const said = await pooler.log()
    await pooler.stop()
    if (attempt === ATTEMPTS || !/in use|could not bind/i.test(said)) {
      throw new InternalError(`PgBouncer does not start:\n${said.slice(-2_000)}`)
    }
  }
}

interface Ground {
  readonly folder: string
  readonly port: number
  readonly account: PostgresAccount | undefined
}

/** @returns the path of the configuration, which it and the list of users may be read by nobody else. */
async function configure(options: PgBouncerOptions, { folder, port, account }: Ground): Promise<string> {
  const put = async (name: string, lines: readonly string[]): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
    if (account) await chown(path, account.uid, account.gid)
    return path
  }
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  const { users = [], authUser, maxDbConnections = 0, defaultPoolSize = 20 } = options
  const known = [{ name: ADMIN.user, password: ADMIN.password }, ...(authUser ? [authUser] : []), ...users]
  const list = await put(
    'users.txt',
    known.map(({ name, password }) => `${quoted(name)} ${quoted(password)}`),
  )
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: list,
    ...(authUser ? { auth_user: authUser.name } : {}),
    admin_users: ADMIN.user,
    pool_mode: options.poolMode,
    max_client_conn: 500,
    max_db_connections: maxDbConnections,
    default_pool_size: defaultPoolSize,
    ...options.settings,
  }
  return put('pgbouncer.ini', [
    '[databases]',
    ...databaseLines(options),
    '[pgbouncer]',
    ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
  ])
}

function databaseLines({ server, databases = ['*'] }: PgBouncerOptions): string[] {
  const pairs = Array.isArray(databases) ? databases.map((name) => [name, name]) : Object.entries(databases)
  return pairs.map(([name, database]) => {
    const target = `host=${server.host} port=${server.port}`
    return name === '*' ? `* = ${target}` : `${name} = ${target} dbname=${database}`
  })
}

async function launch(
  binary: string,
  file: string,
  folder: string,
  account: PostgresAccount | undefined,
): Promise<number> {
  const log = await open(join(folder, 'pgbouncer.log'), 'w', 0o600)
  const child = spawn(binary, ['-q', file], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { PATH: '/usr/bin:/bin' },
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
  })
  await log.close()
  child.once('error', () => undefined) // has no pid then
  if (child.pid === undefined) throw new InternalError(`${binary} does not start`)
  child.unref()
  return child.pid
}

async function isReady(pooler: PgBouncer): Promise<boolean> {
  const deadline = performance.now() + READY_MS
  while (isAlive(pooler.pid) && performance.now() < deadline) {
    try {
      await pooler.console('show version')
      return true
    } catch {
      await delay(10)
    }
  }
  return false
}
