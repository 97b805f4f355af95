import type { Socket } from 'node:net'

interface Pending {
  readonly bytes: number
  /** Monotonic milliseconds. */
  readonly since: number
}

/** Looks so many times within the limit. */
const LOOKS = 8

/**
 * Closes sockets whose peer has taken nothing of what waits for it for `stallMs`, until `stop()`. A body that is
 * written in parts notices that by itself, but not when its last part has been written.
 */
export class StallWatch {
  readonly #sockets: ReadonlySet<Socket>
  readonly #stallMs: number
  readonly #pending = new WeakMap<Socket, Pending>()
  readonly #timer: NodeJS.Timeout

  /** @param sockets those open now, whenever that is. */
  constructor(sockets: ReadonlySet<Socket>, stallMs: number) {
    this.#sockets = sockets
    this.#stallMs = stallMs
    this.#timer = setInterval(() => this.#look(performance.now()), Math.max(stallMs / LOOKS, 10)).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(now: number): void {
    for (const socket of this.#sockets) {
      const bytes = socket.writableLength
      const seen = this.#pending.get(socket)
      if (bytes === 0) this.#pending.delete(socket)
      else if (seen?.bytes !== bytes) this.#pending.set(socket, { bytes, since: now })
      else if (now - seen.since >= this.#stallMs) socket.destroy()
    }
  }
}
