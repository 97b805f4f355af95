import { once } from 'node:events'
import type { ServiceWorld } from '../http/service-world.ts'

interface Asked {
  /** The row that the tenant has, or what was answered instead. */
  readonly answer: string
  readonly expected: string
}

/** Workers that ask every replica for every tenant in turn, each again as soon as it was answered, until stopped. */
export class Asking {
  readonly #replicas: readonly ServiceWorld[]
  readonly #tenants: readonly string[]
  readonly #key: string
  readonly #stop = new AbortController()
  readonly #workers: readonly Promise<void>[]
  readonly #answered = new EventTarget()
  readonly #asked: Asked[] = []

  constructor(replicas: readonly ServiceWorld[], tenants: readonly string[], key: string, workers = 6) {
    this.#replicas = replicas
    this.#tenants = tenants
    this.#key = key
    this.#workers = Array.from({ length: workers }, (_, index) => this.#work(index))
  }

  /** Resolves when so many more were answered. */
  async goOn(requests: number): Promise<void> {
    const enough = this.#asked.length + requests
    while (this.#asked.length < enough) await once(this.#answered, 'answered')
  }

  /** Resolves how many were answered, and which not with the tenant's own row. */
  async stop(): Promise<{ readonly answered: number; readonly wrong: readonly Asked[] }> {
    this.#stop.abort()
    await Promise.all(this.#workers)
    const wrong = this.#asked.filter(({ answer, expected }) => answer !== expected)
    return { answered: this.#asked.length, wrong }
  }

  async #work(first: number): Promise<void> {
    for (let turn = first; !this.#stop.signal.aborted; turn += 1) {
      const expected = this.#tenants[turn % this.#tenants.length] ?? ''
      const replica = this.#replicas[Math.floor(turn / this.#tenants.length) % this.#replicas.length]
      if (replica === undefined) throw new Error('nobody to ask')
      this.#asked.push({ answer: await ownerAt(replica, expected, this.#key), expected })
      this.#answered.dispatchEvent(new Event('answered'))
    }
  }
}

/** The name in a tenant's own table, or the code of what was answered instead. */
export async function ownerAt(replica: ServiceWorld, tenant: string, key: string): Promise<string> {
  const headers = [['x-tenant-id', tenant]] as const
  const body = { sql: 'select name from owner' }
  const { status, json } = await replica.ask('/v1/query', { key, headers, body })
  return status === 200 ? String(json.rows[0]?.name) : String(json.code)
}
