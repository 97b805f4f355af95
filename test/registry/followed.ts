import type { Change, Registry } from '../../src/registry/registry.ts'

/** Reads a registry's changes into lists, until disposed. */
export class Followed implements AsyncDisposable {
  readonly changes: Change[] = []
  resets = 0
  /** Batches of any kind, empty ones too. */
  heard = 0
  position: string | undefined
  isEnded = false
  readonly #stop = new AbortController()
  readonly #reading: Promise<void>

  constructor(registry: Registry, position?: string) {
    this.#reading = this.#read(registry, position)
  }

  names(): string[] {
    return this.changes.map(({ kind, id }) => `${kind} ${id}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#reading
  }

  async #read(registry: Registry, position: string | undefined): Promise<void> {
    for await (const batch of registry.changes(position, this.#stop.signal)) {
      this.heard++
      this.position = batch.position
      if (batch.type === 'reset') this.resets++
      else this.changes.push(...batch.changes)
    }
    this.isEnded = true
  }
}
