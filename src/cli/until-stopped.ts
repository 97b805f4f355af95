/** `SIGHUP`: the terminal was closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** One Ctrl-C comes twice: a terminal signals the whole process group, and npm, which is in it, sends it on. */
const REPEAT_MS = 1_000

/**
 * Resolves at the first signal to stop; what comes within a second of it is the same one. A later one ends the
 * process at once: whoever sends it has waited enough.
 */
export function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined
    const stop = (signal: NodeJS.Signals) => {
      firstAt ??= performance.now()
      if (performance.now() - firstAt > REPEAT_MS) process.exit(1)
      resolve(signal)
    }
    for (const signal of SIGNALS) process.on(signal, stop)
  })
}
