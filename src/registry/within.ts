/**
 * The work's outcome, or after `ms` a rejection with what `late` returns. The work itself goes on; its late
 * outcome is nobody's.
 */
export function within<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
