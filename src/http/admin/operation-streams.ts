import { RouterClosedError, TooManyStreamsError } from '../../errors.ts'
import { showOperation } from '../../lifecycle/operation/list-operations.ts'
import type { OperationView } from '../../lifecycle/operation/operation-view.ts'
import type { Registry } from '../../registry/registry.ts'

/** Clients that may follow at once. */
const MAX_CLIENTS = 32
/** Milliseconds between two looks at an operation that somebody follows: it may be another replica's. */
const LOOK_EVERY_MS = 500
/** Looks without a change between two comments that keep a quiet stream open through proxies: 15 s. */
const QUIET_LOOKS = 30

type Sink = ReadableStreamDefaultController<Uint8Array>
const encoder = new TextEncoder()

/** Server-sent events of operations, each until its operation is over or `close()`. */
export class OperationStreams {
  readonly #registry: Registry
  readonly #ends = new Set<() => void>()
  readonly #lookEveryMs: number
  #isClosed = false

  constructor(registry: Registry, lookEveryMs = LOOK_EVERY_MS) {
    this.#registry = registry
    this.#lookEveryMs = lookEveryMs
  }

  /** @throws {TooManyStreamsError | RouterClosedError} */
  open(first: OperationView): ReadableStream<Uint8Array> {
    if (this.#isClosed) throw new RouterClosedError('events were asked for after close()')
    if (this.#ends.size >= MAX_CLIENTS)
      throw new TooManyStreamsError(`${this.#ends.size} clients follow operations`)
    let stop = () => {}
    return new ReadableStream<Uint8Array>({
      start: (sink) => {
        stop = this.#follow(sink, first)
      },
      cancel: () => stop(),
    })
  }

  close(): void {
    this.#isClosed = true
    for (const end of this.#ends) end()
  }

  /** @returns what ends the following; the stream is its caller's to close. */
  #follow(sink: Sink, first: OperationView): () => void {
    let shown = first
    let quiet = 0
    let isLooking = false
    const stop = () => {
      clearInterval(timer)
      this.#ends.delete(end)
    }
    const end = () => {
      stop()
      sink.close()
    }
    const look = async () => {
      const found = await showOperation(this.#registry, first.id).catch(() => shown) // the registry is away: later
      if (!this.#ends.has(end)) return
      const isNew = found.updatedAt !== shown.updatedAt || found.state !== shown.state
      shown = found
      quiet = isNew ? 0 : quiet + 1
      // How it ended is told however slowly the client reads: nothing comes after that.
      if (isNew && ((sink.desiredSize ?? 0) > 0 || isOver(found))) sink.enqueue(message(found))
      else if (quiet % QUIET_LOOKS === QUIET_LOOKS - 1) sink.enqueue(encoder.encode(':\n\n'))
      if (isOver(found)) end()
    }
    const timer = setInterval(() => {
      if (isLooking) return
      isLooking = true
      void look().finally(() => {
        isLooking = false
      })
    }, this.#lookEveryMs)
    this.#ends.add(end)
    sink.enqueue(message(first))
    if (isOver(first)) end()
    return stop
  }
}

function isOver({ state }: OperationView): boolean {
  return state === 'done' || state === 'failed'
}

function message(operation: OperationView): Uint8Array {
  return encoder.encode(`event: operation\ndata: ${JSON.stringify(operation)}\n\n`)
}
