import { InternalError } from '../../errors.ts'

/** Where a limit on connections applies. */
export type Scope = 'process' | 'server' | 'tenant'

/**
 * The right to have one socket open, and one backend. Taken before the socket opens; the socket's part is given
 * back when it has closed, the rest when the server has let go of the backend.
 */
export interface Permit {
  /** Gives the socket's part back: it has closed, the backend may live on. Safe to call again. */
  socketClosed(): void
  /** Gives back what is still out. Safe to call again. */
  release(): void
}

/**
 * Counts the connections of this process: sockets (opening + open + closing), and backends, which are those and the
 * quarantined ones. Invariant: at the moment of taking, no limit is passed: of the process by its sockets; of a
 * server by its backends, nor the process's; of a tenant by its sockets, nor by its backends on one server. So
 * what a silent server keeps is kept there alone: other servers go on, also with a tenant that moved to one of them.
 * A limit that shrinks below what is out takes effect as permits come back.
 */
export class Budget {
  readonly processLimit: number
  #sockets = 0
  readonly #socketsOn = new Tally()
  readonly #socketsOf = new Tally()
  readonly #backendsOn = new Tally()
  /** By tenant and server. */
  readonly #backendsOf = new Tally()

  constructor(processLimit: number) {
    this.processLimit = processLimit
  }

  /** The first scope without room, narrowest first; undefined when there is room in all. */
  fullScope(server: string, serverLimit: number, tenant: string, tenantLimit: number): Scope | undefined {
    const ofTenant = Math.max(this.#socketsOf.get(tenant), this.#backendsOf.get(both(tenant, server)))
    if (ofTenant >= tenantLimit) return 'tenant'
    const backends = this.#backendsOn.get(server)
    // Where it is what the server keeps that fills it, no room that others make would help.
    const isKept = backends >= this.processLimit && backends > this.#socketsOn.get(server)
    if (backends >= serverLimit || isKept) return 'server'
    return this.#sockets >= this.processLimit ? 'process' : undefined
  }

  /** Takes one permit in every scope at once, or says which scope is full and takes nothing. */
  take(server: string, serverLimit: number, tenant: string, tenantLimit: number): Permit | Scope {
    const full = this.fullScope(server, serverLimit, tenant, tenantLimit)
    if (full !== undefined) return full
    this.#countSocket(1, server, tenant)
    this.#countBackend(1, server, tenant)
    let [hasSocket, hasBackend] = [true, true]
    const socketClosed = () => {
      if (hasSocket) this.#countSocket(-1, server, tenant)
      hasSocket = false
    }
    return {
      socketClosed,
      release: () => {
        socketClosed()
        if (hasBackend) this.#countBackend(-1, server, tenant)
        hasBackend = false
      },
    }
  }

  #countSocket(by: 1 | -1, server: string, tenant: string): void {
    this.#sockets += by
    this.#socketsOn.add(server, by)
    this.#socketsOf.add(tenant, by)
  }

  #countBackend(by: 1 | -1, server: string, tenant: string): void {
    this.#backendsOn.add(server, by)
    this.#backendsOf.add(both(tenant, server), by)
  }

  /** Permits out: sockets of the process or of a tenant, backends of a server. */
  out(scope: 'process'): number
  out(scope: 'server' | 'tenant', id: string): number
  out(scope: Scope, id = ''): number {
    if (scope === 'process') return this.#sockets
    return (scope === 'server' ? this.#backendsOn : this.#socketsOf).get(id)
  }
}

/** Neither has a blank in it. */
function both(tenant: string, server: string): string {
  return `${tenant} ${server}`
}

/** How many, by name. */
class Tally {
  readonly #counts = new Map<string, number>()

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  add(name: string, by: 1 | -1): void {
    const next = this.get(name) + by
    if (next < 0) throw new InternalError('more permits given back than taken')
    if (next === 0) this.#counts.delete(name)
    else this.#counts.set(name, next)
  }
}
