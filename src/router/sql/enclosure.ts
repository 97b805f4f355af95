import { AsyncLocalStorage } from 'node:async_hooks'

/** A body that keeps what its `key` stands for, and the one it runs in. */
interface Enclosure {
  readonly key: object
  readonly around: Enclosure | undefined
  isOver: boolean
}

const storage = new AsyncLocalStorage<Enclosure>()

/** Runs `body`, during which whoever started it keeps what `key` stands for: to wait for that inside would be for ever. */
export async function runHolding<T>(key: object, body: () => Promise<T>): Promise<T> {
  const enclosure: Enclosure = { key, around: storage.getStore(), isOver: false }
  try {
    return await storage.run(enclosure, body)
  } finally {
    // What the body has started may go on in this context, and may wait from now on.
    enclosure.isOver = true
  }
}

/** Whether the present async context is inside of `runHolding(key, …)`. */
export function isHeldAround(key: object): boolean {
  for (let at = storage.getStore(); at; at = at.around) if (at.key === key && !at.isOver) return true
  return false
}
