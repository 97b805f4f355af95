import { setImmediate as nextTurn } from 'node:timers/promises'

/** What nobody handled while the body ran. */
export async function unhandledIn(body: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = []
  const listener = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listener)
  process.on('uncaughtException', listener)
  try {
    await body()
    await nextTurn()
  } finally {
    process.off('unhandledRejection', listener)
    process.off('uncaughtException', listener)
  }
  return unhandled
}
