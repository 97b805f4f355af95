/**
 * Runs `work` on each item, at most `atOnce` at a time. Resolves what it came to, in the order of the items.
 * @throws the first that `work` throws, once those under way have ended; no further item is begun after it.
 */
export async function sideBySide<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  atOnce: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const failures: unknown[] = []
  const numbered = numberedOf(items)
  const worker = async () => {
    for (;;) {
      const next = await numbered.next()
      if (next.done || failures.length > 0) return
      const { item, index } = next.value
      results[index] = await work(item, index)
    }
  }
  // One that throws must not end the others in the middle of their work.
  const settle = (error: unknown) => void failures.push(error)
  await Promise.all(Array.from({ length: atOnce }, () => worker().catch(settle)))
  await numbered.return(undefined)
  if (failures.length > 0) throw failures[0]
  return results
}

/** A generator answers those who ask at the same moment one after another. */
async function* numberedOf<T>(items: Iterable<T> | AsyncIterable<T>) {
  let index = 0
  for await (const item of items) yield { item, index: index++ }
}
