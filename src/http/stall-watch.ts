import type { Socket } from 'node:net'

interface Pending {
  /** Bytes that the peer had taken. */
  readonly taken: number
  /** Looks since then that saw no more. Not the time: where our own process stood still, nothing was looked at. */
  readonly looks: number
}

/** Looks so many times within the limit. */
const LOOKS = 8

/**
 * Closes sockets whose peer has taken nothing of what waits for it for `stallMs`, until `stop()`. A body that is
 * written in parts notices that by itself, but not when its last part has been written. Node tells that a write
 * has gone out only when all of it has, so the parts must be small: ours are 256 KiB at most.
 */
export class StallWatch {
  readonly #sockets: ReadonlySet<Socket>
  readonly #pending = new WeakMap<Socket, Pending>()
  readonly #timer: NodeJS.Timeout

  /** @param sockets those open now, whenever that is. */
  constructor(sockets: ReadonlySet<Socket>, stallMs: number) {
    this.#sockets = sockets
    this.#timer = setInterval(() => this.#look(), Math.max(stallMs / LOOKS, 10)).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    for (const socket of this.#sockets) {
      // What waits is no measure: behind a writer that is faster than the peer it is always as much.
      const taken = socket.bytesWritten - socket.writableLength
      const seen = this.#pending.get(socket)
      if (socket.writableLength === 0) this.#pending.delete(socket)
      else if (seen?.taken !== taken) this.#pending.set(socket, { taken, looks: 0 })
      else if (seen.looks + 1 >= LOOKS) socket.destroy()
      else this.#pending.set(socket, { taken, looks: seen.looks + 1 })
    }
  }
}
