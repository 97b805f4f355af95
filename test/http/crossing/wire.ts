import { Agent, type IncomingMessage, request } from 'node:http'

export interface WireAnswer {
  readonly status: number
  /** Everything that the answer says: status, headers, body. */
  readonly said: string
  readonly text: string
  /** The body came to its end. */
  readonly isWhole: boolean
}

export interface WireAsk {
  readonly path: string
  /** The credential is among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Leaves with the first bytes of the body. */
  readonly leavesEarly?: boolean
  /** Milliseconds after which it leaves, answered or not. */
  readonly leavesAfterMs?: number
}

/** Nobody waited for the answer any more. */
export class LeftError extends Error {}

/** An HTTP client whose connections are used again, one request at a time on each. */
export class Wire implements Disposable {
  readonly #url: URL
  readonly #agent: Agent

  constructor(url: string, maxSockets: number) {
    this.#url = new URL(url)
    this.#agent = new Agent({ keepAlive: true, maxSockets })
  }

  /** @throws {LeftError} where it left before the whole answer was there. */
  ask(ask: WireAsk): Promise<WireAnswer> {
    const text = ask.body === undefined ? '' : JSON.stringify(ask.body)
    return new Promise((resolve, reject) => {
      const sent = request({
        agent: this.#agent,
        host: this.#url.hostname,
        port: this.#url.port,
        path: ask.path,
        method: ask.body === undefined ? 'GET' : 'POST',
        headers: {
          host: this.#url.host,
          ...(ask.body === undefined ? {} : { 'content-length': Buffer.byteLength(text) }),
          ...ask.headers,
        },
      })
      const leave = () => {
        sent.destroy()
        reject(new LeftError('left'))
      }
      const timer = ask.leavesAfterMs === undefined ? undefined : setTimeout(leave, ask.leavesAfterMs)
      const settle = (outcome: () => void) => {
        clearTimeout(timer)
        outcome()
      }
      sent.on('error', (error) => settle(() => reject(error)))
      sent.once('response', (response) => {
        if (ask.leavesEarly) response.once('data', () => settle(leave))
        void collected(response).then((answer) => settle(() => resolve(answer)))
      })
      sent.end(text)
    })
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

function collected(response: IncomingMessage): Promise<WireAnswer> {
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  // A body that breaks off is an answer, too.
  response.on('error', () => undefined)
  return new Promise((resolve) => {
    response.once('close', () => {
      const text = Buffer.concat(chunks).toString()
      const status = response.statusCode ?? 0
      const said = `${status} ${response.rawHeaders.join(' ')} ${text}`
      resolve({ status, said, text, isWhole: response.complete })
    })
  })
}
