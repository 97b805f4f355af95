/**
 * What the service says of itself: starting → ready → draining. Once it is ready, a database or registry that is
 * down is no reason to be unready: it would take all replicas out of service for the sake of a few tenants.
 */
export class Health {
  #phase: 'starting' | 'ready' | 'draining' = 'starting'

  get phase(): 'starting' | 'ready' | 'draining' {
    return this.#phase
  }

  get isDraining(): boolean {
    return this.#phase === 'draining'
  }

  ready(): void {
    if (this.#phase === 'starting') this.#phase = 'ready'
  }

  /** For good: what is under way ends, nothing new should come. */
  drain(): void {
    this.#phase = 'draining'
  }
}
