/**
 * Cliff's delta: how much more often a value of `a` is above one of `b` than below, from -1 to 1. Below 0.147 it is
 * called negligible (Romano and others, 2006).
 */
export function cliffsDelta(a: readonly number[], b: readonly number[]): number {
  const [left, right] = [a.toSorted((x, y) => x - y), b.toSorted((x, y) => x - y)]
  let [below, upTo, balance] = [0, 0, 0]
  for (const value of left) {
    while (below < right.length && (right[below] ?? 0) < value) below += 1
    while (upTo < right.length && (right[upTo] ?? 0) <= value) upTo += 1
    balance += below - (right.length - upTo)
  }
  return balance / (left.length * right.length)
}
