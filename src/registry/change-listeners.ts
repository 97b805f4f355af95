import type { Kind } from './registry.ts'

export type DirectoryChange = { readonly kind: Kind; readonly id: string } | 'reset'

/** Who is told of changes, in the order they came. One that throws disturbs none of the others. */
export class ChangeListeners {
  readonly #listeners = new Set<(change: DirectoryChange) => void>()
  readonly #onFault: (fault: unknown) => void

  constructor(onFault: (fault: unknown) => void) {
    this.#onFault = onFault
  }

  add(listener: (change: DirectoryChange) => void): Disposable {
    // A wrapper of its own, so that one function may listen twice.
    const entry = (change: DirectoryChange) => listener(change)
    this.#listeners.add(entry)
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) }
  }

  tell(change: DirectoryChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (fault) {
        this.#onFault(fault)
      }
    }
  }

  clear(): void {
    this.#listeners.clear()
  }
}
