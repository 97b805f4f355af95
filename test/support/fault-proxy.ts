import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from './free-port.ts'
import { SlowLine, type Slowness } from './slow-line.ts'

/**
 * - `pass`: as if it were not there.
 * - `refuse`: nothing listens; open connections go on.
 * - `accept-close`: new connections are taken and ended at once; open ones are ended.
 * - `black-hole`: nothing gets through in either direction, nobody is told; what was sent meanwhile arrives later.
 * - `slow`: every chunk arrives `latencyMs` later, in both directions; with `bytesPerSecond`, in a trickle of so many.
 * - `reset`: open connections and new ones are reset.
 * - `half-open`: the server's side is gone and the client is never told; new connections are never answered.
 */
export type FaultMode = 'pass' | 'refuse' | 'accept-close' | 'black-hole' | 'slow' | 'reset' | 'half-open'

export interface FaultTarget {
  readonly host: string
  readonly port: number
}

/** Both ends of one connection through the proxy. */
interface Pair {
  readonly client: Socket
  readonly server: Socket | undefined
  readonly lines: readonly SlowLine[]
}

/** A TCP proxy on loopback that breaks in the ways networks break. Stop it: `await using`. */
export class FaultProxy implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #target: FaultTarget
  readonly #pairs = new Set<Pair>()
  #listener: Server | undefined
  #mode: FaultMode = 'pass'
  /** Undefined where all is delivered at once. */
  #slowness: Slowness | undefined
  /** Connections taken since the start. */
  accepted = 0

  constructor(port: number, target: FaultTarget) {
    this.port = port
    this.#target = target
  }

  get mode(): FaultMode {
    return this.#mode
  }

  /** Connections of clients that are open now. */
  get connections(): number {
    return this.#pairs.size
  }

  /** Takes effect on open connections too. */
  async setMode(
    mode: FaultMode,
    { latencyMs = 50, bytesPerSecond = Number.POSITIVE_INFINITY }: Partial<Slowness> = {},
  ): Promise<void> {
    this.#mode = mode
    this.#slowness = mode === 'slow' ? { latencyMs, bytesPerSecond } : undefined
    if (mode === 'refuse') await this.#unlisten()
    else await this.listen()
    for (const pair of this.#pairs) this.#apply(pair)
  }

  async listen(): Promise<void> {
    if (this.#listener) return
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#take(client))
    this.#listener = listener
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ port: this.port, host: this.host }, resolve)
    })
  }

  async close(): Promise<void> {
    for (const { client, server, lines } of this.#pairs) {
      for (const line of lines) line.close()
      client.destroy()
      server?.destroy()
    }
    await this.#unlisten()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #take(client: Socket): void {
    this.accepted++
    const isAnswered = this.#mode === 'pass' || this.#mode === 'slow'
    const server = isAnswered ? connect({ ...this.#target, allowHalfOpen: true, noDelay: true }) : undefined
    const lines = [new SlowLine(), new SlowLine()] as const
    const pair = { client, server, lines }
    this.#pairs.add(pair)
    client.once('close', () => {
      this.#pairs.delete(pair)
      for (const line of lines) line.close()
      server?.destroy()
    })
    client.on('error', () => client.destroy())
    if (server) {
      this.#forward(client, lines[0], server)
      this.#forward(server, lines[1], client)
      // The client hears of it as the server's end would tell it, unless the fault is that nobody tells.
      server.on('error', () => this.#mode !== 'half-open' && client.resetAndDestroy())
    }
    this.#apply(pair)
  }

  #forward(from: Socket, line: SlowLine, to: Socket): void {
    from.on('data', (bytes: Buffer) => line.send(bytes, this.#slowness, (part) => to.write(part)))
    from.on('end', () => line.end(this.#slowness, () => to.end()))
  }

  #apply({ client, server }: Pair): void {
    switch (this.#mode) {
      case 'pass':
      case 'slow':
      case 'refuse':
        client.resume()
        server?.resume()
        break
      case 'accept-close':
        client.end()
        client.resume()
        server?.destroy()
        break
      case 'black-hole':
        client.pause() // the kernel keeps what arrives
        server?.pause()
        break
      case 'reset':
        client.resetAndDestroy()
        server?.destroy()
        break
      case 'half-open':
        server?.removeAllListeners('end')
        server?.destroy()
        client.removeAllListeners('data')
        client.resume()
        break
    }
  }

  async #unlisten(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    if (!listener) return
    // Not waited for: `close` calls back only when the last open connection has ended.
    listener.close()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export async function startFaultProxy(target: FaultTarget): Promise<FaultProxy> {
  const proxy = new FaultProxy(await freePort(), target)
  await proxy.listen()
  return proxy
}
