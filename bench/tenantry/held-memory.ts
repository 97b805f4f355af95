import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { z } from 'zod'

const Held = z.object({ rss: z.number(), heapUsed: z.number(), external: z.number() })
/** Bytes. */
export type Held = z.output<typeof Held>

/** Node's arguments for a process that can be asked. */
export const PROBE_FLAGS = [
  '--expose-gc',
  '--import',
  new URL('./memory-probe.mjs', import.meta.url).href,
] as const

/** What the process holds after collecting garbage. */
export async function heldBy(child: ChildProcess): Promise<Held> {
  const answer = once(child, 'message')
  child.send('held?')
  const [message] = await answer
  return Held.parse(message)
}
