import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from './free-port.ts'

/**
 * - `pass`: as if it were not there.
 * - `refuse`: nothing listens; open connections go on.
 * - `accept-close`: new connections are taken and ended at once; open ones are ended.
 * - `black-hole`: nothing gets through in either direction, nobody is told; what was sent meanwhile arrives later.
 * - `slow`: every chunk arrives `latencyMs` later, in both directions.
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
}

/** A TCP proxy on loopback that breaks in the ways networks break. Stop it: `await using`. */
export class FaultProxy implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #target: FaultTarget
  readonly #pairs = new Set<Pair>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #listener: Server | undefined
  #mode: FaultMode = 'pass'
  #latencyMs = 50
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
  async setMode(mode: FaultMode, { latencyMs = 50 }: { latencyMs?: number } = {}): Promise<void> {
    this.#mode = mode
    this.#latencyMs = latencyMs
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
    for (const timer of this.#timers) clearTimeout(timer)
    for (const { client, server } of this.#pairs) {
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
    const pair = { client, server }
    this.#pairs.add(pair)
    client.once('close', () => {
      this.#pairs.delete(pair)
      server?.destroy()
    })
    client.on('error', () => client.destroy())
    if (server) {
      this.#forward(client, server)
      this.#forward(server, client)
      // The client hears of it as the server's end would tell it, unless the fault is that nobody tells.
      server.on('error', () => this.#mode !== 'half-open' && client.resetAndDestroy())
    }
    this.#apply(pair)
  }

  #forward(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => this.#later(() => to.write(chunk)))
    from.on('end', () => this.#later(() => to.end()))
  }

  #later(act: () => void): void {
    if (this.#mode !== 'slow') {
      act()
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, this.#latencyMs)
    this.#timers.add(timer)
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
