import type { HttpBindings } from '@hono/node-server'
import { CancelledError, StreamStalledError } from '../errors.ts'
import { onClientGone } from './client-gone.ts'

/** Of one write to the socket: Node tells that it was taken only when all of it has been. */
const PART_BYTES = 65_536

/**
 * A body that is written while its client reads it. States: open, ending (all is written, not all is taken), over.
 * A client that takes no further part for `stallMs` loses its connection.
 */
export class StreamedBody {
  readonly readable: ReadableStream<Uint8Array>
  /** Aborts when the client has gone, with an error of ours. */
  readonly gone: AbortSignal
  /** Resolves with the first byte, or the end. */
  readonly begun: Promise<void>
  readonly #aborter = new AbortController()
  readonly #stallMs: number
  /** Node's response; absent when an app is called without a server. */
  readonly #outgoing: HttpBindings['outgoing'] | undefined
  readonly #forget: () => void
  /** Written, in their order, and not yet in the readable's own queue. */
  #parts: Uint8Array[] = []
  #sink: ReadableStreamDefaultController<Uint8Array> | undefined
  #begin: () => void = () => undefined
  #hasBegun = false
  #state: 'open' | 'ending' | 'over' = 'open'
  /** While a writer waits: lets it go on, or tells it why not. */
  #proceed: ((error?: Error) => void) | undefined
  /** While a writer waits; anew with each part that is taken. */
  #stall: NodeJS.Timeout | undefined

  constructor(stallMs: number, outgoing?: HttpBindings['outgoing']) {
    this.#stallMs = stallMs
    this.#outgoing = outgoing
    this.gone = this.#aborter.signal
    this.begun = new Promise((resolve) => {
      this.#begin = resolve
    })
    const leave = () => this.#leave(new CancelledError('the client has gone'))
    this.#forget = outgoing ? onClientGone(outgoing, leave) : () => undefined
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (sink) => {
          this.#sink = sink
        },
        pull: () => this.#pulled(),
        cancel: leave,
      },
      // One part: so each that is taken is told.
      new CountQueuingStrategy({ highWaterMark: 1 }),
    )
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /**
   * Keeps the bytes at once, and they must not change any more; resolves when further ones are wanted.
   * @throws {StreamStalledError | CancelledError} when nobody takes them; the body is over then.
   */
  async write(bytes: Uint8Array): Promise<void> {
    this.gone.throwIfAborted()
    if (this.#state !== 'open') return
    this.#keep(bytes)
    if (this.#parts.length > 0) await this.#wanted()
  }

  /** The last bytes. How long the client takes for them is the listener's to watch. */
  end(bytes?: Uint8Array): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#keep(bytes ?? new Uint8Array())
    this.#proceed?.()
  }

  /** Without an end, so that the client sees that something is missing. */
  breakOff(error: Error): void {
    if (this.#state !== 'open') return
    this.#over()
    // An error inside the stream would be printed, and written to the client as if it were part of the body.
    if (this.#outgoing) this.#outgoing.destroy()
    else this.#sink?.error(error)
    this.#proceed?.(error)
  }

  #keep(bytes: Uint8Array): void {
    this.#hasBegun = true
    this.#begin()
    for (let at = 0; at < bytes.length; at += PART_BYTES)
      this.#parts.push(bytes.subarray(at, at + PART_BYTES))
    this.#feed()
  }

  #feed(): void {
    while ((this.#sink?.desiredSize ?? 0) > 0) {
      const part = this.#parts.shift()
      if (!part) break
      this.#sink?.enqueue(part)
    }
    if (this.#state !== 'ending' || this.#parts.length > 0) return
    this.#over()
    this.#sink?.close()
  }

  /** The client has taken a part. */
  #pulled(): void {
    this.#stall?.refresh()
    this.#feed()
    if (this.#parts.length === 0) this.#proceed?.()
  }

  async #wanted(): Promise<void> {
    const stalled = () =>
      this.breakOff(new StreamStalledError(`a client took nothing for ${this.#stallMs} ms`))
    let late: NodeJS.Immediate | undefined
    // Where our own process stood still, what the client took meanwhile is told after the timers.
    this.#stall = setTimeout(() => (late = setImmediate(stalled)), this.#stallMs)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#proceed = (error) => (error ? reject(error) : resolve())
      })
    } finally {
      this.#proceed = undefined
      clearTimeout(this.#stall)
      clearImmediate(late)
      this.#stall = undefined
    }
  }

  #over(): void {
    this.#state = 'over'
    this.#parts = []
    this.#forget()
  }

  #leave(error: Error): void {
    this.#over()
    this.#aborter.abort(error)
    this.#proceed?.(error)
  }
}
