import pg from 'pg'

/** What it takes to reach a server from another process. */
export interface PostgresAddress {
  readonly version: number
  readonly host: string
  readonly port: number
  readonly password: string
}

export interface DatabaseOptions {
  readonly owner?: string
  readonly template?: string
}

/** A real Postgres server, asked as its superuser. It holds no connection between calls. */
export class PostgresServer {
  readonly version: number
  readonly host: string
  readonly port: number
  readonly superuser: { readonly user: string; readonly password: string }

  constructor({ version, host, port, password }: PostgresAddress) {
    this.version = version
    this.host = host
    this.port = port
    this.superuser = { user: 'postgres', password }
  }

  /** A connection string; the superuser's where no user is given. */
  dsn(database = 'postgres', user = this.superuser.user, password = this.superuser.password): string {
    const [u, p, d] = [user, password, database].map(encodeURIComponent)
    return `postgres://${u}:${p}@${this.host}:${this.port}/${d}?sslmode=disable`
  }

  /** A session of the superuser; whoever asked for it ends it. */
  async connect(database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({ host: this.host, port: this.port, database, ...this.superuser })
    client.on('error', () => undefined) // a server that a test stops under it
    await client.connect()
    return client
  }

  async query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    text: string,
    params: unknown[] = [],
    database = 'postgres',
  ): Promise<Row[]> {
    const client = await this.connect(database)
    try {
      const result = await client.query<Row>(text, params)
      return result.rows
    } finally {
      await client.end()
    }
  }

  /** Statements without parameters, in a session of their own; several in one text are fine. */
  async execute(text: string, database = 'postgres'): Promise<void> {
    const client = await this.connect(database)
    try {
      await client.query(text)
    } finally {
      await client.end()
    }
  }

  async createDatabase(name: string, { owner, template }: DatabaseOptions = {}): Promise<void> {
    const clauses = [
      owner === undefined ? '' : `owner ${pg.escapeIdentifier(owner)}`,
      // Copying files is quicker than logging every block, where nothing waits for the disk (fsync is off).
      template === undefined ? '' : `template ${pg.escapeIdentifier(template)} strategy file_copy`,
    ]
    await this.execute(`create database ${pg.escapeIdentifier(name)} ${clauses.join(' ')}`)
  }

  /** Without FORCE: a session that a test leaked makes it fail, after 5 s. */
  async dropDatabase(name: string): Promise<void> {
    await this.execute(`drop database if exists ${pg.escapeIdentifier(name)}`)
  }

  /**
   * A role that may log in, with no other right; `attributes` as in `create role`. Its password is checked at
   * little cost where the server can do that (16 and later), so that tests with many logins are quick.
   */
  async createRole(name: string, password: string, attributes = ''): Promise<void> {
    const cheap = this.version >= 16 ? 'set scram_iterations = 1;' : ''
    const secret = pg.escapeLiteral(password)
    await this.execute(
      `${cheap} create role ${pg.escapeIdentifier(name)} login ${attributes} password ${secret}`,
    )
  }

  async dropRole(name: string): Promise<void> {
    await this.execute(`drop role if exists ${pg.escapeIdentifier(name)}`)
  }

  /** Client sessions on a database, as the server counts them. */
  async sessionsOf(database: string): Promise<number> {
    const rows = await this.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity
       where datname = $1 and pid <> pg_backend_pid() and backend_type = 'client backend'`,
      [database],
    )
    return rows[0]?.count ?? 0
  }
}
