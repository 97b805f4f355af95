import type { Context } from 'hono'
import { CancelledError, LeaseExpiredError } from '../errors.ts'
import { onDisconnect } from './client-gone.ts'
import type { RequestEnv } from './request-context.ts'

/** From a request to its answer: `signal` aborts when its client has gone or its time is over. */
export class RequestLife {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #forget: () => void

  /** @param timeoutMs for the whole request from here. */
  constructor(c: Context<RequestEnv>, timeoutMs: number) {
    const late = () => new LeaseExpiredError(`the request took longer than ${timeoutMs} ms`)
    this.#timer = setTimeout(() => this.#controller.abort(late()), timeoutMs)
    this.#forget = onDisconnect(c, () => this.#controller.abort(new CancelledError('the client has gone')))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Must be called once the answer is there: nothing aborts any more. */
  end(): void {
    clearTimeout(this.#timer)
    this.#forget()
  }
}
