import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Env, Hono } from 'hono'
import type { ClientLimit } from './client-limit.ts'
import { StallWatch } from './stall-watch.ts'

export interface ListenOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Milliseconds after which a client that takes nothing of its answer loses its connection. */
  readonly stallMs: number
  /** Milliseconds for a whole request; all of it must have come by then. */
  readonly requestTimeoutMs: number
  readonly clientLimit: ClientLimit
}

/** Milliseconds for a client to send the head of a request, and all of it. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
/** Above the minute that load balancers keep idle connections: the side that reuses must not be the one that is surprised. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000
/** How often those deadlines are looked at: it comes on top of them. */
const CHECK_MS = 250
/** How often connections that went idle are closed while stopping. */
const SWEEP_MS = 100

/** An app on a port, until `stop()`. */
export class Listener {
  readonly url: string
  readonly #server: Server
  /** Open sockets, for those that never asked anything: Node does not count them as idle. */
  readonly #sockets: ReadonlySet<Socket>
  readonly #stalls: StallWatch
  #stopping: Promise<void> | undefined

  private constructor(server: Server, sockets: ReadonlySet<Socket>, stallMs: number) {
    this.#server = server
    this.#stalls = new StallWatch(sockets, stallMs)
    this.#sockets = sockets
    this.url = urlOf(server.address())
  }

  /** @throws Node's error where the address cannot be had. */
  static async open<E extends Env>(
    app: Hono<E>,
    { host, port, stallMs, requestTimeoutMs, clientLimit }: ListenOptions,
  ): Promise<Listener> {
    const server = createAdaptorServer({
      fetch: app.fetch,
      serverOptions: {
        headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs),
        requestTimeout: Math.min(REQUEST_TIMEOUT_MS, requestTimeoutMs),
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        connectionsCheckingInterval: CHECK_MS,
      },
    }) as Server // without a `createServer` of another kind, it is Node's HTTP/1.1 server
    const sockets = admitted(server, clientLimit)
    server.listen(port, host)
    await once(server, 'listening')
    return new Listener(server, sockets, stallMs)
  }

  /**
   * Accepts nothing new, lets requests under way end, and cuts those that have not after `deadlineMs`. Answers
   * must say `Connection: close` meanwhile. Safe to call again: everyone gets the same promise.
   */
  stop(deadlineMs: number): Promise<void> {
    return (this.#stopping ??= this.#stop(deadlineMs))
  }

  async #stop(deadlineMs: number): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    const sweep = setInterval(() => this.#closeIdle(), SWEEP_MS)
    const deadline = setTimeout(() => this.#server.closeAllConnections(), deadlineMs)
    this.#closeIdle()
    try {
      await closed
    } finally {
      clearInterval(sweep)
      clearTimeout(deadline)
      this.#stalls.stop()
    }
  }

  #closeIdle(): void {
    this.#server.closeIdleConnections()
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
  }
}

/** The open sockets of the clients that are let in. Of the others Node's parser sees nothing: nothing of theirs runs. */
function admitted(server: Server, limit: ClientLimit): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  const parsers = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    if (!limit.admits(socket, sockets.size)) {
      if (limit.endsIdle) server.closeIdleConnections()
      return
    }
    sockets.add(socket)
    // Each request that was sent ahead of the answers before it listens for its end.
    socket.setMaxListeners(0)
    socket.once('close', () => sockets.delete(socket))
    for (const parse of parsers) parse.call(server, socket)
  })
  return sockets
}

function urlOf(address: AddressInfo | string | null): string {
  if (address === null || typeof address === 'string') return ''
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}
