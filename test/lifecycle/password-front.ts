import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Certificate } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import type { PostgresServer } from '../support/postgres.ts'

const SSL_REQUEST_BYTES = 8

/** What becomes of a message that holds a verifier: refused as Neon refuses it, or changed on its way. */
export type Meddling = 'refuse' | ((message: Buffer) => Buffer)

/** Stands before a real server, with TLS, and meddles with password verifiers alone. Stop it: `await using`. */
export class PasswordFront implements AsyncDisposable {
  readonly port: number
  /** All that clients sent, once decrypted. */
  heard = ''
  /** Sessions that came without TLS. */
  plain = 0
  readonly #listener: Server
  readonly #sockets = new Set<Socket>()

  private constructor(port: number, listener: Server) {
    this.port = port
    this.#listener = listener
  }

  static async start(
    server: PostgresServer,
    certificate: Certificate,
    meddling: Meddling,
  ): Promise<PasswordFront> {
    const port = await freePort()
    const front = new PasswordFront(port, createServer())
    front.#listener.on('connection', (socket) => void front.#take(socket, server, certificate, meddling))
    front.#listener.listen({ port, host: '127.0.0.1' })
    await once(front.#listener, 'listening')
    return front
  }

  async #take(socket: Socket, server: PostgresServer, own: Certificate, meddling: Meddling): Promise<void> {
    const upstream = connect({ host: server.host, port: server.port })
    for (const end of [socket, upstream]) {
      this.#sockets.add(end)
      end.on('error', () => end.destroy())
    }
    const [first] = (await once(socket, 'data')) as [Buffer] // an event's arguments have no types
    const asksForTls = first.length === SSL_REQUEST_BYTES
    const client = asksForTls ? await encrypt(socket, own) : socket
    if (!asksForTls) {
      this.plain++
      upstream.write(first)
    }
    client.on('error', () => socket.destroy())
    client.on('data', (chunk: Buffer) => this.#pass(chunk, client, upstream, meddling))
    upstream.on('data', (chunk) => client.write(chunk))
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  }

  #pass(chunk: Buffer, client: Socket, upstream: Socket, meddling: Meddling): void {
    const text = chunk.toString('latin1')
    this.heard += text
    const holdsVerifier = text.includes('SCRAM-SHA-256$')
    if (holdsVerifier && meddling === 'refuse') client.write(refusal())
    else upstream.write(holdsVerifier && meddling !== 'refuse' ? meddling(chunk) : chunk)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#listener.close()
    await once(this.#listener, 'close')
  }
}

async function encrypt(socket: Socket, { certificate, key }: Certificate): Promise<Socket> {
  socket.write('S')
  const secure = new TLSSocket(socket, { isServer: true, cert: certificate, key })
  await once(secure, 'secure')
  return secure
}

/** ErrorResponse and ReadyForQuery. */
function refusal(): Buffer {
  const fields = Buffer.from('SERROR\0VERROR\0CXX000\0MReceived HTTP code 400 from control plane\0\0')
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields, Buffer.from('Z\0\0\0\x05I')])
}
