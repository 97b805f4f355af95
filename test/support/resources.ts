import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'

const SETTLE_MS = 10_000

/** What keeps this process alive. */
export interface Resources {
  readonly sockets: number
  readonly timers: number
}

export function resources(): Resources {
  const kinds = process.getActiveResourcesInfo()
  const count = (kind: string) => kinds.filter((one) => one === kind).length
  return { sockets: count('TCPSocketWrap'), timers: count('Timeout') }
}

/** With the timer of the world's registry, which looks for changes once a second and is there afterwards, too. */
export async function resourcesOfAWorld(): Promise<Resources> {
  for (;;) {
    const present = resources()
    if (present.timers > 0) return present
    await nextTurn()
  }
}

/** Those left once they are as few as wanted, or once that took too long. Not to be called in a wait of vitest, which has timers too. */
export async function resourcesSettledTo(wanted: Resources): Promise<Resources> {
  const until = performance.now() + SETTLE_MS
  for (;;) {
    const left = resources()
    const isSettled = left.sockets <= wanted.sockets && left.timers <= wanted.timers
    if (isSettled) return wanted
    if (performance.now() > until) return left
    await delay(20)
    // In the turn of a timer it counts as active itself.
    await nextTurn()
  }
}
