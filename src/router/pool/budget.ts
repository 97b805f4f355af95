import { InternalError } from '../../errors.ts'

/** Where a limit on connections applies. */
export type Scope = 'process' | 'server' | 'tenant'

/**
 * The right to have one socket open, and one backend. Taken before the socket opens; the process's part is given
 * back when the socket has closed, the rest when the server has let go of the backend.
 */
export interface Permit {
  /** Gives the process's part back: the socket has closed, the backend may live on. Safe to call again. */
  socketClosed(): void
  /** Gives back what is still out, in every scope. Safe to call again. */
  release(): void
}

/**
 * Counts the connections of this process: all, by server, and by tenant.
 * Invariant: permits out = connections opening + open + closing, and of a server or tenant + quarantined; never
 * more than the scope's limit at the moment of taking, nor of one server more than the process's: a server that
 * cannot be reached keeps no other from serving, and never has more of ours than one process may have.
 * A limit that shrinks below what is out takes effect as permits come back.
 */
export class Budget {
  readonly #processLimit: number
  #process = 0
  readonly #servers = new Map<string, number>()
  readonly #tenants = new Map<string, number>()

  constructor(processLimit: number) {
    this.#processLimit = processLimit
  }

  /** The first scope without room, narrowest first; undefined when there is room in all. */
  fullScope(server: string, serverLimit: number, tenant: string, tenantLimit: number): Scope | undefined {
    if ((this.#tenants.get(tenant) ?? 0) >= tenantLimit) return 'tenant'
    if ((this.#servers.get(server) ?? 0) >= serverLimit) return 'server'
    if (this.#process >= this.#processLimit) return 'process'
    return (this.#servers.get(server) ?? 0) >= this.#processLimit ? 'server' : undefined
  }

  /** Takes one permit in every scope at once, or says which scope is full and takes nothing. */
  take(server: string, serverLimit: number, tenant: string, tenantLimit: number): Permit | Scope {
    const full = this.fullScope(server, serverLimit, tenant, tenantLimit)
    if (full !== undefined) return full
    this.#count('process', 1, server, tenant)
    this.#count('backend', 1, server, tenant)
    const out = new Set(['process', 'backend'] as const)
    const giveBack = (part: 'process' | 'backend') => {
      if (out.delete(part)) this.#count(part, -1, server, tenant)
    }
    return {
      socketClosed: () => giveBack('process'),
      release: () => {
        giveBack('process')
        giveBack('backend')
      },
    }
  }

  #count(part: 'process' | 'backend', by: 1 | -1, server: string, tenant: string): void {
    if (part === 'process') {
      this.#process += by
      if (this.#process < 0) throw new InternalError('more permits given back than taken')
    } else {
      count(this.#servers, server, by)
      count(this.#tenants, tenant, by)
    }
  }

  get processLimit(): number {
    return this.#processLimit
  }

  /** Permits out. */
  out(scope: 'process'): number
  out(scope: 'server' | 'tenant', id: string): number
  out(scope: Scope, id = ''): number {
    if (scope === 'process') return this.#process
    return (scope === 'server' ? this.#servers : this.#tenants).get(id) ?? 0
  }
}

function count(counts: Map<string, number>, id: string, by: number): void {
  const next = (counts.get(id) ?? 0) + by
  if (next === 0) counts.delete(id)
  else counts.set(id, next)
}
