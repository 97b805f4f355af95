import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

/**
 * What `pg` holds in place of the socket: it hears of data alone, so that it never ends, reconnects or rejects
 * anything by itself. Writes after the end go nowhere.
 */
export class PgSocket extends EventEmitter {
  readonly writable = true
  /** Rises with every write, so that a statement can know whether anything of it was sent. */
  writes = 0
  #socket: Socket | undefined
  readonly #onDestroy: () => void

  /** @param onDestroy called when `pg` gives the socket up. */
  constructor(socket: Socket, onDestroy: () => void) {
    super()
    this.#socket = socket
    this.#onDestroy = onDestroy
  }

  /** It is connected already, which `pg` hears once it listens. */
  connect(): void {
    process.nextTick(() => this.emit('connect'))
  }

  /** Hands bytes of the server to `pg`, which has dealt with them when this returns. */
  deliver(chunk: Buffer): void {
    this.emit('data', chunk)
  }

  detach(): void {
    this.#socket = undefined
  }

  write(chunk: Buffer): boolean {
    if (!this.#socket) return false
    this.writes++
    return this.#socket.write(chunk)
  }

  setNoDelay(): this {
    return this
  }

  end(): void {
    this.#onDestroy()
  }

  destroy(): void {
    this.#onDestroy()
  }
}
