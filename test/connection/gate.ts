import { connect, createServer, type Socket } from 'node:net'

const READY_FOR_QUERY = Buffer.from([0x5a, 0, 0, 0, 5])

/** Stands before a server and counts how often that said, to anyone, that it is ready for the next. */
export interface Gate extends AsyncDisposable {
  readonly port: number
  readonly readies: number
}

export async function openGate({ host, port }: { host: string; port: number }): Promise<Gate> {
  let readies = 0
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const server = connect({ host, port, noDelay: true })
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
    server.on('data', (chunk) => {
      for (let at = chunk.indexOf(READY_FOR_QUERY); at >= 0; at = chunk.indexOf(READY_FOR_QUERY, at + 1))
        readies++
    })
    client.pipe(server).pipe(client)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get readies() {
      return readies
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
