import type { Socket } from 'node:net'

/**
 * What the driver holds in place of the socket: the few methods that it calls, and no event but data. It
 * never hears of 'error' or 'close', since its own handling of them reconnects, hangs, or throws outside
 * every promise (postgres.js 3.4.9); the connection settles its statements itself. Writes after the end go
 * nowhere.
 */
export class DriverSocket {
  #socket: Socket | undefined
  /** Written before the socket was there: the startup packet. */
  #held: Buffer[] | undefined = []
  #onData: ((chunk: Buffer) => void) | undefined
  #onDrain: (() => void) | undefined
  /** Rises with every write to the socket, so that a statement can know whether anything of it was sent. */
  writes = 0

  /** Sends what was held, and everything from now on. */
  attach(socket: Socket): void {
    this.#socket = socket
    for (const chunk of this.#held ?? []) socket.write(chunk)
    this.#held = undefined
  }

  /** From now on writes go nowhere. */
  detach(): void {
    this.#socket = undefined
  }

  /** Hands bytes of the server to the driver, which has dealt with them when this returns. */
  deliver(chunk: Buffer): void {
    this.#onData?.(chunk)
  }

  drained(): void {
    this.#onDrain?.()
  }

  on(event: string, listener: (chunk: Buffer) => void): this {
    if (event === 'data') this.#onData = listener
    // Parse boundary: this listener takes no argument.
    if (event === 'drain') this.#onDrain = listener as () => void
    return this
  }

  write(chunk: Buffer, done?: (error?: Error | null) => void): boolean {
    if (this.#held) {
      this.#held.push(chunk)
      return true
    }
    if (!this.#socket) {
      if (done) setImmediate(done, new Error('the connection has ended'))
      return false
    }
    this.writes++
    return this.#socket.write(chunk, done)
  }

  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  /** For the driver's own time limits and logins, neither of which it has here. */
  destroy(): void {
    this.detach()
  }
}
