import type { ServerResponse } from 'node:http'
import { CancelledError, StreamStalledError } from '../errors.ts'

/** Bytes that wait for the client, beside those in its socket, before the writer waits. */
const QUEUE_BYTES = 65_536

/**
 * A body that is written while its client reads it. States: nothing written yet, begun, over; over is for good.
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
  readonly #outgoing: ServerResponse | undefined
  #sink: ReadableStreamDefaultController<Uint8Array> | undefined
  #begin: () => void = () => undefined
  #hasBegun = false
  #isOver = false
  /** Lets the writer go on, or tells it why not. */
  #proceed: ((error?: Error) => void) | undefined

  constructor(stallMs: number, outgoing?: ServerResponse) {
    this.#stallMs = stallMs
    this.#outgoing = outgoing
    this.gone = this.#aborter.signal
    this.begun = new Promise((resolve) => {
      this.#begin = resolve
    })
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (sink) => {
          this.#sink = sink
        },
        pull: () => this.#proceed?.(),
        cancel: () => this.#leave(new CancelledError('the client has gone')),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: QUEUE_BYTES }),
    )
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /**
   * Resolves when more is wanted.
   * @throws {StreamStalledError | CancelledError} when nobody takes it; the body is over then.
   */
  async write(bytes: Uint8Array): Promise<void> {
    this.gone.throwIfAborted()
    if (this.#isOver) return
    this.#noteBegin()
    this.#sink?.enqueue(bytes)
    if ((this.#sink?.desiredSize ?? 0) > 0) return
    await this.#wanted()
  }

  /** The last bytes. How long the client takes for them is the listener's to watch. */
  end(bytes?: Uint8Array): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#noteBegin()
    if (bytes) this.#sink?.enqueue(bytes)
    this.#sink?.close()
    this.#proceed?.()
  }

  /** Without an end, so that the client sees that something is missing. */
  breakOff(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    // An error inside the stream would be printed, and written to the client as if it were part of the body.
    if (this.#outgoing) this.#outgoing.destroy()
    else this.#sink?.error(error)
    this.#proceed?.(error)
  }

  #noteBegin(): void {
    this.#hasBegun = true
    this.#begin()
  }

  async #wanted(): Promise<void> {
    const stalled = () =>
      this.breakOff(new StreamStalledError(`a client took nothing for ${this.#stallMs} ms`))
    const timer = setTimeout(stalled, this.#stallMs)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#proceed = (error) => (error ? reject(error) : resolve())
      })
    } finally {
      this.#proceed = undefined
      clearTimeout(timer)
    }
  }

  #leave(error: Error): void {
    this.#isOver = true
    this.#aborter.abort(error)
    this.#proceed?.(error)
  }
}
