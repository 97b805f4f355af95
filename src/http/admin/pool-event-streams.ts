import { RouterClosedError, TooManyStreamsError } from '../../errors.ts'
import type { RouterEvents } from '../../router/events.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'

/** Those that tell how pools come and go; `leased` and `released` happen with every request and are in the metrics. */
const EVENTS = [
  'opened',
  'openFailed',
  'closed',
  'evicted',
  'reclaimed',
  'refused',
  'fenced',
  'breakerOpened',
  'breakerClosed',
] as const

export interface PoolEventStreamsOptions {
  /** Clients that may follow at once. */
  readonly maxClients: number
  /** Events that may wait for a slow client; one more, and its stream ends. */
  readonly maxPending: number
  /** Milliseconds between the comments that keep a quiet stream open through proxies. */
  readonly heartbeatMs: number
}
const DEFAULTS: PoolEventStreamsOptions = { maxClients: 32, maxPending: 256, heartbeatMs: 15_000 }

type Sink = ReadableStreamDefaultController<Uint8Array>
const encoder = new TextEncoder()

/**
 * Server-sent events of the pools. A stream begins with a `snapshot`, so a client that was cut off for being
 * slow loses nothing by connecting again. Listens to the router only while somebody follows, until `close()`.
 */
export class PoolEventStreams {
  readonly #router: Pick<TenantRouter, 'on' | 'stats'>
  readonly #options: PoolEventStreamsOptions
  /** Each with what says whether its client still may follow. */
  readonly #sinks = new Map<Sink, () => Promise<boolean>>()
  /** While there are sinks: the subscriptions and the heartbeat. */
  #listening: readonly Disposable[] = []
  #isClosed = false

  constructor(router: Pick<TenantRouter, 'on' | 'stats'>, options: Partial<PoolEventStreamsOptions> = {}) {
    this.#router = router
    this.#options = { ...DEFAULTS, ...options }
  }

  /**
   * @param stillMay asked with each heartbeat: a key may be revoked, or expire, while its stream is open.
   * @throws {TooManyStreamsError | RouterClosedError}
   */
  open(stillMay: () => Promise<boolean>): ReadableStream<Uint8Array> {
    if (this.#isClosed) throw new RouterClosedError('events were asked for after close()')
    if (this.#sinks.size >= this.#options.maxClients)
      throw new TooManyStreamsError(`${this.#sinks.size} clients follow events`)
    let own: Sink
    return new ReadableStream<Uint8Array>(
      {
        start: (sink) => {
          own = sink
          this.#add(sink, stillMay)
        },
        cancel: () => this.#remove(own),
      },
      { highWaterMark: this.#options.maxPending },
    )
  }

  /** Ends every stream. */
  close(): void {
    this.#isClosed = true
    for (const sink of this.#sinks.keys()) this.#end(sink)
  }

  #add(sink: Sink, stillMay: () => Promise<boolean>): void {
    this.#sinks.set(sink, stillMay)
    if (this.#sinks.size === 1) this.#listen()
    this.#send(sink, message('snapshot', this.#router.stats()))
  }

  #remove(sink: Sink): void {
    if (!this.#sinks.delete(sink) || this.#sinks.size > 0) return
    for (const subscription of this.#listening) subscription[Symbol.dispose]()
    this.#listening = []
  }

  #end(sink: Sink): void {
    this.#remove(sink)
    sink.close()
  }

  #listen(): void {
    const heartbeat = setInterval(() => this.#beat(), this.#options.heartbeatMs)
    heartbeat.unref()
    this.#listening = [
      { [Symbol.dispose]: () => clearInterval(heartbeat) },
      ...EVENTS.map((name) => this.#router.on(name, (event) => this.#sendAll(message(name, event)))),
    ]
  }

  #beat(): void {
    this.#sendAll(encoder.encode(':\n\n'))
    for (const [sink, stillMay] of this.#sinks) void this.#endUnless(sink, stillMay)
  }

  async #endUnless(sink: Sink, stillMay: () => Promise<boolean>): Promise<void> {
    if ((await stillMay()) || !this.#sinks.has(sink)) return
    this.#end(sink)
  }

  #sendAll(chunk: Uint8Array): void {
    for (const sink of this.#sinks.keys()) this.#send(sink, chunk)
  }

  #send(sink: Sink, chunk: Uint8Array): void {
    if ((sink.desiredSize ?? 0) <= 0) this.#end(sink)
    else sink.enqueue(chunk)
  }
}

function message(event: string, data: RouterEvents[keyof RouterEvents] | ReturnType<TenantRouter['stats']>) {
  // Errors hold texts of servers; their code says enough.
  const json = JSON.stringify({ at: new Date().toISOString(), ...data, error: undefined })
  return encoder.encode(`event: ${event}\ndata: ${json}\n\n`)
}
