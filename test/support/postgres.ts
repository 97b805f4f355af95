import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { inject } from 'vitest'
import { type ClusterOptions, makeFolder, type RunningCluster, startCluster } from '../../src/demo/cluster.ts'
import { type PostgresAccount, postgresAccount } from '../../src/demo/postgres-account.ts'
import { embeddedBinaries } from '../../src/demo/postgres-binaries.ts'
import { gone, killPostmaster, stopPostmaster } from '../../src/demo/postmaster.ts'
import { signal } from '../../src/demo/process-table.ts'
import { freeze } from './freeze.ts'
import { postgres15Binaries } from './postgres-15.ts'
import { PostgresServer } from './postgres-server.ts'
import { rememberProcess } from './started-processes.ts'

export { PostgresServer } from './postgres-server.ts'

/** As root: where the embedded binaries are copied once, for the user that runs Postgres. */
const ROOT_CACHE = '/var/lib/tenantry'
/** For others, where their package is not theirs. Temporary files may be in memory that runs no program. */
const CACHE = resolve(import.meta.dirname, '../../.cache')
/** A backend that is at work ends when it next looks up. */
const GONE_MS = 10_000

export interface StartOptions {
  readonly version?: 15 | 18
  readonly settings?: Readonly<Record<string, string>>
  /** PEM. Turns TLS on; plain connections are still taken unless `hba` says otherwise. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly clientCa?: string }
  /** Lines of pg_hba.conf, first match wins. Default: SCRAM for everyone on loopback. */
  readonly hba?: readonly string[]
}

/** A server of a test's own, which may be paused, crashed and started again. Stop it: `await using`. */
export class OwnPostgresServer extends PostgresServer implements AsyncDisposable {
  readonly #options: ClusterOptions
  #pid: number
  #forget: () => void

  constructor(cluster: RunningCluster, options: ClusterOptions) {
    super({ ...cluster, host: '127.0.0.1', password: cluster.password.reveal() })
    this.#options = options
    this.#pid = cluster.pid
    this.#forget = rememberProcess(cluster.pid, options.folder)
  }

  get pid(): number {
    return this.#pid
  }

  /** Freezes the postmaster: new connections are accepted by the kernel and never answered; open sessions go on. */
  pause(): void {
    freeze(this.#pid)
  }

  resume(): void {
    signal(this.#pid, 'SIGCONT')
  }

  /**
   * Crashes it; `restart()` recovers. Waits for its backends too: each may answer once more before it sees that the
   * postmaster has gone.
   */
  async kill9(): Promise<void> {
    const backends = await childrenOf(this.#pid)
    await killPostmaster(this.#pid)
    await Promise.all(backends.map((pid) => gone(pid, GONE_MS)))
    this.#forget()
  }

  /** Cuts every session and starts again on the same port. */
  async restart(): Promise<void> {
    await this.whileStopped(async () => {})
  }

  /** As `restart`, with something to do in between to the folder of its data. */
  async whileStopped(work: (data: string) => Promise<void>): Promise<void> {
    await this.#end()
    await work(join(this.#options.folder, 'data'))
    const cluster = await startCluster({ ...this.#options, port: this.port })
    this.#pid = cluster.pid
    this.#forget = rememberProcess(cluster.pid, this.#options.folder)
  }

  async stop(): Promise<void> {
    await this.#end()
    await rm(this.#options.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  async #end(): Promise<void> {
    this.resume()
    await stopPostmaster(this.#pid)
    this.#forget()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Starts a real server on a free loopback port, with data in a temporary folder. */
export async function startPostgres(options: StartOptions = {}): Promise<OwnPostgresServer> {
  const account = await postgresAccount()
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-postgres-'))
  await makeFolder(folder, account)
  const cluster: ClusterOptions = {
    binaries: await binariesOf(options.version ?? 18, account),
    folder,
    account,
    settings: {
      fsync: 'off',
      full_page_writes: 'off',
      ...(await files(options, folder, account)),
      ...options.settings,
    },
    durable: false,
  }
  return new OwnPostgresServer(await startCluster(cluster), cluster)
}

/** The server that the whole run shares: 200 connections, fsync off. Make databases and roles with random names on it. */
export function sharedPostgres(version: 15 | 18 = 18): PostgresServer {
  return new PostgresServer(inject(version === 18 ? 'postgres18' : 'postgres15'))
}

function binariesOf(version: 15 | 18, account: PostgresAccount | undefined): Promise<string> {
  if (version === 15) return postgres15Binaries()
  return embeddedBinaries(account ? ROOT_CACHE : CACHE, account !== undefined)
}

/** The settings that name files, and the files, readable for the user that runs Postgres and nobody else. */
async function files(
  { tls, hba }: StartOptions,
  folder: string,
  account: PostgresAccount | undefined,
): Promise<Record<string, string>> {
  const settings: Record<string, string> = {}
  async function put(setting: string, content: string): Promise<void> {
    const path = join(folder, setting)
    await writeFile(path, content, { mode: 0o600 })
    if (account) await chown(path, account.uid, account.gid)
    settings[setting] = path
  }
  if (hba) await put('hba_file', `${hba.join('\n')}\n`)
  if (tls) {
    settings['ssl'] = 'on'
    await put('ssl_cert_file', tls.certificate)
    await put('ssl_key_file', tls.key)
    if (tls.clientCa) await put('ssl_ca_file', tls.clientCa)
  }
  return settings
}

/** None where there is no /proc. */
async function childrenOf(pid: number): Promise<number[]> {
  const pids = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return pids.split(' ').filter(Boolean).map(Number)
}
