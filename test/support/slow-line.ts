export interface Slowness {
  readonly latencyMs: number
  readonly bytesPerSecond: number
}

/** A trickle is let through so often. */
const DRIP_MS = 20

interface Delivery {
  readonly at: number
  readonly act: () => void
}

/** One direction of a connection. What is sent is delivered in order, late where the line is slow. Close it. */
export class SlowLine {
  readonly #deliveries: Delivery[] = []
  /** Until then the line is busy with what was sent before, its latency aside. */
  #busyUntil = 0
  #timer: NodeJS.Timeout | undefined

  /** @param slowness of the line from now on; undefined: none. */
  send(bytes: Buffer, slowness: Slowness | undefined, deliver: (part: Buffer) => void): void {
    const size = slowness ? Math.ceil((slowness.bytesPerSecond * DRIP_MS) / 1_000) : bytes.length
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size)
      this.#deliver(part.length, slowness, () => deliver(part))
    }
  }

  /** Acts when all that was sent has been delivered. */
  end(slowness: Slowness | undefined, act: () => void): void {
    this.#deliver(0, slowness, act)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#deliveries.length = 0
  }

  #deliver(size: number, slowness: Slowness | undefined, act: () => void): void {
    if (!slowness && this.#deliveries.length === 0) {
      act()
      return
    }
    const now = performance.now()
    const takesMs = slowness ? (size / slowness.bytesPerSecond) * 1_000 : 0
    this.#busyUntil = Math.max(this.#busyUntil, now) + takesMs
    this.#deliveries.push({ at: this.#busyUntil + (slowness?.latencyMs ?? 0), act })
    if (this.#deliveries.length === 1) this.#next()
  }

  #next(): void {
    const [next] = this.#deliveries
    if (!next) return
    this.#timer = setTimeout(
      () => {
        this.#deliveries.shift()
        next.act()
        this.#next()
      },
      Math.max(0, Math.ceil(next.at - performance.now())),
    )
  }
}
