import { CancelledError, LoginFailedError, ServerUnavailableError } from '../../src/errors.ts'
import type { ServerRecord } from '../../src/registry/server-record.ts'
import type { OpenTerms } from '../../src/router/pool/opener.ts'
import type { Suspect } from '../../src/router/pool/retirement.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { ModelConnection } from './model-connection.ts'

interface Opening {
  readonly tenant: string
  readonly server: string
  readonly startedAt: number
  readonly terms: OpenTerms
  readonly resolve: (connection: ModelConnection) => void
  readonly reject: (error: Error) => void
}

interface Backend {
  readonly tenant: string
  readonly server: string
  readonly connection: ModelConnection
}

/** All servers of the model: what is being opened, what is open, and what lives on without a socket. */
export class ModelServers {
  /** Told of each opening in the turn in which it begins. */
  onOpening: (tenant: string) => void = () => {}
  /** Whether openings end when they are aborted, or as if they had not heard of it. */
  hearAborts = true
  readonly openings: Opening[] = []
  readonly backends = new Set<Backend>()
  readonly orphans = new Set<number>()
  #pids = 0

  readonly open = (record: TenantRecord, server: ServerRecord, terms: OpenTerms): Promise<ModelConnection> =>
    new Promise((resolve, reject) => {
      const startedAt = performance.now()
      const opening = { tenant: record.id, server: server.id, startedAt, terms, resolve, reject }
      this.openings.push(opening)
      this.onOpening(record.id)
      terms.signal.onabort = () => {
        if (!this.hearAborts) return
        for (const { reject } of this.openings.splice(0)) reject(new CancelledError('the router closes'))
      }
    })

  readonly confirmGone = async ({ pid }: Suspect): Promise<boolean> => !this.orphans.has(pid)

  finishOpening(at: number): void {
    const opening = this.#take(at)
    if (opening) opening.resolve(this.#backend(opening).connection)
  }

  failOpening(at: number, how: 'refused' | 'full' | 'left behind'): void {
    const opening = this.#take(at)
    if (!opening) return
    if (how === 'refused') opening.reject(new LoginFailedError('no', { sqlstate: '28000' }))
    else if (how === 'full') opening.reject(new ServerUnavailableError('full', { sqlstate: '53300' }))
    else {
      const { connection } = this.#backend(opening)
      connection.isBusy = true
      connection.destroy()
      opening.terms.leftBehind(connection)
      opening.reject(new ServerUnavailableError('it did not answer in time'))
    }
  }

  /** The server ends a session, whoever uses it. */
  kill(at: number): ModelConnection | undefined {
    const connection = this.openAt(at)
    connection?.finishClosing()
    return connection
  }

  finishClosing(at: number): void {
    const closing = [...this.backends].filter(({ connection }) => connection.isClosing)
    closing[at % (closing.length || 1)]?.connection.finishClosing()
  }

  /** A socket ends, idle or on its way out, and the server says nothing: its process lives on. */
  fallSilent(at: number): void {
    const silent = [...this.backends].filter(({ connection }) => !connection.isBusy)
    silent[at % (silent.length || 1)]?.connection.fallSilent()
  }

  /** Sockets that are to close. */
  get closing(): number {
    return [...this.backends].filter(({ connection }) => connection.isClosing).length
  }

  openAt(at: number): ModelConnection | undefined {
    const open = [...this.backends].filter(({ connection }) => connection.isOpen)
    return open[at % (open.length || 1)]?.connection
  }

  /** Sockets open or being opened. */
  count(server?: string): number {
    const isMeant = (other: { server: string }) => server === undefined || other.server === server
    return [...this.backends, ...this.openings].filter(isMeant).length
  }

  #backend({ tenant, server }: Opening): Backend {
    const connection = new ModelConnection(++this.#pids, ({ pid, mayLiveOn }) => {
      this.backends.delete(backend)
      if (mayLiveOn) this.orphans.add(pid)
    })
    const backend = { tenant, server, connection }
    this.backends.add(backend)
    return backend
  }

  #take(at: number): Opening | undefined {
    return this.openings.splice(at % (this.openings.length || 1), 1)[0]
  }
}
