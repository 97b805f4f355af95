/** A time as `2026-03-01 03:12:05Z`, from milliseconds or as records hold it. */
export function clock(at: number | string): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

/** `40 ms`, `3.2 s`, `12 min`, `5 h`, `3 d`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`
}

export function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

/** `1 tenant`, `3 tenants`. */
export function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
