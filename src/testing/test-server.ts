import { join } from 'node:path'
import { isMainThread, threadId } from 'node:worker_threads'
import { parseDsn } from '../connection/dsn.ts'
import { EmbeddedPostgres } from '../demo/embedded-postgres.ts'
import { EMBEDDED_VERSION } from '../demo/postgres-binaries.ts'
import { PreconditionFailedError } from '../errors.ts'

/** Under the working directory, as the demo has it. */
const FOLDER = '.tenantry/test'
/** Data of one major version is nothing to another. */
const MAJOR = EMBEDDED_VERSION.split('.')[0]
/** Processes that run tests beside each other in one folder. */
const MAX_SERVERS = 64

/** What tests may lose at any time needs no disk. */
const SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' }

/** A Postgres for tests: somebody else's, or one of our own that ends with this. */
export class TestServer implements AsyncDisposable {
  /** Of a role that may make databases and roles. It holds a password. */
  readonly #dsn: string
  readonly #own: EmbeddedPostgres | undefined

  private constructor(dsn: string, own?: EmbeddedPostgres) {
    this.#dsn = dsn
    this.#own = own
  }

  /** @throws {InvalidDsnError} */
  static at(dsn: string): TestServer {
    parseDsn(dsn)
    return new TestServer(dsn.trim())
  }

  /**
   * One for this process alone, the first that no other uses: what it holds is kept for the next run.
   * @throws {PartMissingError} with the line that installs its binaries.
   */
  static async start(): Promise<TestServer> {
    const worker = isMainThread ? '' : `-thread-${threadId}` // the lock of a folder is a process's, not a thread's
    for (let count = 1; ; count += 1) {
      try {
        const dataDir = join(FOLDER, `postgres-${MAJOR}-${count}${worker}`)
        const own = await EmbeddedPostgres.start({ dataDir, settings: SETTINGS, durable: false })
        const login = `${own.superuser}:${encodeURIComponent(own.password.reveal())}`
        return new TestServer(`postgres://${login}@${own.host}:${own.port}/postgres?sslmode=disable`, own)
      } catch (error) {
        if (!(error instanceof PreconditionFailedError) || count === MAX_SERVERS) throw error
      }
    }
  }

  /** Of its admin, into `database`, or into the one that was given. */
  adminDsn(database?: string): string {
    return database === undefined ? this.#dsn : this.#rewritten({ database })
  }

  dsnOf(login: { readonly user: string; readonly password: string; readonly database: string }): string {
    return this.#rewritten(login)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#own?.stop()
  }

  /** By hand: a connection string whose host is a socket's folder is no URL. */
  #rewritten({ user, password, database }: { user?: string; password?: string; database: string }): string {
    const [, scheme = '', login = '', host = '', query = ''] =
      /^(postgres(?:ql)?:\/\/)(.*)@([^@/?]*)(?:\/[^?]*)?(\?.*)?$/.exec(this.#dsn) ?? []
    const name = user === undefined ? login : [user, password ?? ''].map(encodeURIComponent).join(':')
    return `${scheme}${name}@${host}/${encodeURIComponent(database)}${query}`
  }
}
