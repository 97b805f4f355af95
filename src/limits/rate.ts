/** Those that a minute holds a whole number of, so that shares of them add up to the minute's. */
export const WINDOW_SECONDS = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60] as const

/** At most `quota` requests in any `windowSeconds`, and so `requestsPerMinute` in any minute. */
export interface Rate {
  readonly requestsPerMinute: number
  readonly quota: number
  readonly windowSeconds: number
}

/** A quota over some time; of one process its share of a rate. */
export interface Quota {
  readonly quota: number
  readonly windowMs: number
}

/** The shortest window of at least so many seconds that a whole number of requests falls to. */
export function rateOf(requestsPerMinute: number, atLeastSeconds: number): Rate {
  const isWhole = (seconds: number) => (requestsPerMinute * seconds) % 60 === 0
  const windowSeconds = WINDOW_SECONDS.find((one) => one >= atLeastSeconds && isWhole(one)) ?? 60
  return { requestsPerMinute, quota: (requestsPerMinute * windowSeconds) / 60, windowSeconds }
}

/** What falls to one of so many processes. Where that is less than one request, its window is longer instead. */
export function shareOf({ quota, windowSeconds }: Rate, replicas: number): Quota {
  const share = Math.floor(quota / replicas)
  if (share >= 1) return { quota: share, windowMs: windowSeconds * 1_000 }
  return { quota: 1, windowMs: Math.ceil((windowSeconds * replicas) / quota) * 1_000 }
}
