/** Part of every budget that batch leases may have out together. */
const SHARE = 0.2

/**
 * Counts batch leases, which sweeps and jobs over many tenants take: together never more than their share
 * of the process's and of each server's budget, rounded, at least 1.
 */
export class BatchShare {
  readonly #processLimit: number
  #process = 0
  readonly #servers = new Map<string, number>()

  constructor(processLimit: number) {
    this.#processLimit = processLimit
  }

  hasRoom(server: string, serverLimit: number): boolean {
    return this.#process < share(this.#processLimit) && (this.#servers.get(server) ?? 0) < share(serverLimit)
  }

  /** Counts one lease until the returned function is called (once). */
  take(server: string): () => void {
    this.#add(server, 1)
    return () => this.#add(server, -1)
  }

  #add(server: string, by: number): void {
    this.#process += by
    const next = (this.#servers.get(server) ?? 0) + by
    if (next === 0) this.#servers.delete(server)
    else this.#servers.set(server, next)
  }
}

function share(limit: number): number {
  return Math.max(1, Math.round(limit * SHARE))
}
