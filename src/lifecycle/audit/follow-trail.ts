import type { Registry } from '../../registry/registry.ts'
import { Wakeup } from '../../registry/wakeup.ts'
import { type AuditView, type ListTrail, listTrail } from './list-trail.ts'

/** Milliseconds between two looks: what changes no record is heard of in no other way. */
const LOOK_EVERY_MS = 1_000

/**
 * The last `limit` entries that pass, oldest first, and then what is written, for ever until `signal` aborts; then it
 * ends without error.
 * @throws {RegistryUnavailableError}
 */
export async function* followTrail(
  registry: Registry,
  wanted: Omit<ListTrail, 'cursor' | 'order'>,
  signal: AbortSignal,
  lookEveryMs = LOOK_EVERY_MS,
): AsyncGenerator<AuditView> {
  const { entries } = await listTrail(registry, { ...wanted, order: 'newest' })
  // Where nothing passed yet, from the very last entry, or else all would be read again at each look.
  const [newest] = entries.length > 0 ? entries : (await listTrail(registry, { limit: 1 })).entries
  yield* entries.toReversed()
  let at = newest?.position
  const wakeup = new Wakeup()
  while (!signal.aborted) {
    const cursor = at === undefined ? {} : { cursor: at }
    const page = await listTrail(registry, { ...wanted, ...cursor, order: 'oldest', limit: 1000 })
    for (const entry of page.entries) {
      if (signal.aborted) return
      yield entry
    }
    at = page.entries.at(-1)?.position ?? at
    if (page.next === null) await wakeup.wait(lookEveryMs, signal)
  }
}
