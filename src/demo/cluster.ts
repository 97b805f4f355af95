import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { access, chmod, chown, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { InternalError, PreconditionFailedError } from '../errors.ts'
import { Secret } from '../secret.ts'
import { freePort } from './free-port.ts'
import type { PostgresAccount } from './postgres-account.ts'
import { readPostmaster, stopPostmaster } from './postmaster.ts'
import { argumentsOf, isAlive } from './process-table.ts'

const execute = promisify(execFile)
const POLL_MS = 20
/** Crash recovery of a demo's data takes well under a second; a slow disk gets a minute. */
const READY_MS = 60_000
const ATTEMPTS = 20

export interface ClusterOptions {
  /** The folder with `postgres` and `initdb`. */
  readonly binaries: string
  /** Ours alone: holds the data, the log, the password and the last port. */
  readonly folder: string
  /** Undefined: the server runs as ourselves. */
  readonly account: PostgresAccount | undefined
  /** The first choice. Default: the last one. Where it is in use, another free one is taken. */
  readonly port?: number
  readonly settings: Readonly<Record<string, string>>
  /** Of the superuser `postgres`, when the data is made. Default: a random one. */
  readonly password?: Secret
  /** False skips waiting for the disk while the data is made: for data that need not outlive the machine. */
  readonly durable: boolean
}

export interface RunningCluster {
  readonly pid: number
  readonly port: number
  /** The major version. */
  readonly version: number
  readonly password: Secret
  /** It ran before we came: an earlier process of ours was killed. */
  readonly adopted: boolean
}

/**
 * Makes the data if there is none, and a server on it, or adopts the one that a killed predecessor left.
 * The server is a process group of its own: neither Ctrl-C nor our death ends it.
 * The folder must be locked by the caller.
 */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const data = join(options.folder, 'data')
  if (!(await exists(data))) await initialise(options, data)
  const version = Number.parseInt(await readFile(join(data, 'PG_VERSION'), 'utf8'), 10)
  const password = new Secret(await readFile(passwordFile(options.folder), 'utf8'))

  const orphan = await adopt(options, data)
  if (orphan) return { ...orphan, version, password, adopted: true }
  const lastPort = Number.parseInt(await readFile(portFile(options.folder), 'utf8').catch(() => ''), 10)
  let preferred = options.port ?? (lastPort > 0 ? lastPort : undefined)
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(preferred)
    const pid = await launch(options, data, port).catch((error: unknown) => {
      if (!(error instanceof LaunchError) || attempt === ATTEMPTS) throw error
      if (error.reason === 'other') throw error
      if (error.reason === 'port') preferred = undefined
    })
    if (pid !== undefined) {
      await writeFile(portFile(options.folder), String(port), { mode: 0o600 })
      return { pid, port, version, password, adopted: false }
    }
    await delay(POLL_MS * attempt) // a killed server's last sessions are still on their way out
  }
}

/** In a folder beside, renamed when it is whole: a crash on the way leaves nothing that looks like data. */
async function initialise(options: ClusterOptions, data: string): Promise<void> {
  const half = `${data}.half`
  const secret = `${passwordFile(options.folder)}.half`
  await rm(half, { recursive: true, force: true })
  await mkdir(half, { mode: 0o700 })
  await rm(secret, { force: true })
  await writeFile(secret, options.password?.reveal() ?? randomBytes(32).toString('base64url'), {
    mode: 0o600,
  })
  if (options.account) {
    await chown(half, options.account.uid, options.account.gid)
    await chown(secret, options.account.uid, options.account.gid)
  }
  const sync = options.durable ? [] : ['--no-sync']
  const args = ['--pgdata', half, '--username', 'postgres', '--pwfile', secret, ...sync]
  args.push('--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale', '--no-instructions')
  try {
    await execute(join(options.binaries, 'initdb'), args, { ...identity(options), timeout: READY_MS })
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : ''
    throw new InternalError(`initdb failed: ${said.trim() || 'it said nothing'}`, { cause })
  }
  if (options.account) await chown(secret, 0, 0)
  await rename(secret, passwordFile(options.folder))
  await rename(half, data)
}

/** The server that runs on our data already, if it is as we would start it now; one that is not, is stopped. */
async function adopt(
  options: ClusterOptions,
  data: string,
): Promise<{ pid: number; port: number } | undefined> {
  let found = await readPostmaster(data)
  const actual = found ? await argumentsOf(found.pid) : []
  if (!found || !actual.includes(data)) return undefined // a stale file: Postgres replaces it by itself
  const { pid } = found
  const deadline = performance.now() + READY_MS
  while (!found?.isReady && isAlive(pid) && performance.now() < deadline) {
    await delay(POLL_MS)
    found = await readPostmaster(data)
  }
  const port = options.port ?? found?.port ?? 0
  const wanted = [join(options.binaries, 'postgres'), ...serverArguments(options, data, port)]
  if (found?.isReady && actual.join('\0') === wanted.join('\0')) return { pid, port }
  await stopPostmaster(pid)
  return undefined
}

/** Resolves its pid when it answers. Leaves nothing running when it throws. */
async function launch(options: ClusterOptions, data: string, port: number): Promise<number> {
  const logPath = join(options.folder, 'server.log')
  const log = await open(logPath, 'w', 0o600)
  try {
    const child = spawn(join(options.binaries, 'postgres'), serverArguments(options, data, port), {
      ...identity(options),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? code}`))
    })
    child.unref()
    const failure = await Promise.race([ended, ready(child.pid, data)])
    if (failure === undefined && child.pid !== undefined) return child.pid
    if (child.pid !== undefined && isAlive(child.pid)) await stopPostmaster(child.pid)
    throw new LaunchError(failure ?? 'it has no pid', await readFile(logPath, 'utf8'))
  } finally {
    await log.close()
  }
}

/** Resolves undefined when the server is ready, or what is wrong. */
async function ready(pid: number | undefined, data: string): Promise<string | undefined> {
  const deadline = performance.now() + READY_MS
  while (performance.now() < deadline) {
    const postmaster = await readPostmaster(data)
    if (postmaster?.pid === pid && postmaster?.isReady) return undefined
    if (pid === undefined || !isAlive(pid)) return 'it ended'
    await delay(POLL_MS)
  }
  return `it was not ready after ${READY_MS} ms`
}

function serverArguments(options: ClusterOptions, data: string, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    ...options.settings,
  }
  return ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

/** A clean environment: a `PGDATA` or `PGPORT` of ours is not the server's. */
function identity({ account, folder }: ClusterOptions) {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }
  return { cwd: folder, env, ...(account ? { uid: account.uid, gid: account.gid } : {}) }
}

class LaunchError extends InternalError {
  readonly reason: 'port' | 'busy' | 'other'
  constructor(what: string, log: string) {
    super(`Postgres does not start: ${what}\n${log.trim().split('\n').slice(-20).join('\n')}`)
    this.reason = /Address already in use|could not create any TCP/.test(log)
      ? 'port'
      : /pre-existing shared memory block|lock file .* already exists/.test(log)
        ? 'busy'
        : 'other'
  }
}

/**
 * Makes the folder for `startCluster`. As root it belongs to root, so that the Postgres user can plant no link
 * for us to follow, and everyone may pass through it.
 */
export async function makeFolder(folder: string, account: PostgresAccount | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 }).catch((cause: unknown) => {
    throw new PreconditionFailedError(`cannot make ${folder}: ${cause instanceof Error ? cause.message : ''}`)
  })
  await chmod(folder, account ? 0o711 : 0o700)
}

const passwordFile = (folder: string) => join(folder, 'superuser.password')
const portFile = (folder: string) => join(folder, 'port')

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
