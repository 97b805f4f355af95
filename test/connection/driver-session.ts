import { connect } from 'node:net'
import { Authenticator } from '../../src/connection/authenticator.ts'
import { DriverClient, Query, type QueryInternals, type QueryOptions } from '../../src/connection/driver.ts'
import { DriverSocket } from '../../src/connection/driver-socket.ts'
import { Message, MessageReader, type MessageVisitor } from '../../src/connection/message-reader.ts'
import { driverProfile } from '../../src/connection/type-profile.ts'
import type { Ground } from './ground.ts'

export interface Session extends AsyncDisposable {
  readonly client: DriverClient
  readonly send: (query: QueryInternals) => void
  query(text: string, args?: unknown[], options?: QueryOptions): QueryInternals
  ask(text: string, args?: unknown[], options?: QueryOptions): Promise<unknown>
}

/** The driver on a real server with nothing of ours around it; notes what it touches of its socket. */
export async function startSession(ground: Ground, touched = new Set<PropertyKey>()): Promise<Session> {
  const { host, port, user, database, password } = ground.target
  const watched = new Proxy(new DriverSocket(), {
    get(target, member) {
      touched.add(member)
      const value: unknown = Reflect.get(target, member, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const socket = connect({ host, port, noDelay: true })
  const client = new DriverClient({ user, database, settings: {} }, watched, () => socket.destroy())
  client.profile = driverProfile
  const driverSide = client.socket
  socket.once('connect', () => driverSide.attach(socket))
  const authenticator = new Authenticator({
    user,
    password,
    scramKeys: undefined,
    send: (message) => void socket.write(message),
    refuse: () => socket.destroy(),
  })
  const reader = new MessageReader()
  reader.drop(Message.authentication)
  const visitor: MessageVisitor = {
    header: (type) => type === Message.authentication,
    message: (_, body) => authenticator.take(body),
  }
  socket.on('data', (chunk) => driverSide.deliver(reader.read(chunk, visitor)))
  await new Promise<void>((resolve) => {
    const onData = (chunk: Buffer) => {
      if (chunk.subarray(-6).toString('latin1') !== 'Z\0\0\0\u0005I') return
      socket.off('data', onData)
      resolve()
    }
    socket.on('data', onData)
  })
  client.opened()
  const send = (query: QueryInternals) => client.submit(query)
  const query = (text: string, args: unknown[] = [], options: QueryOptions = {}) =>
    new Query([text], args, send, null, { ...options })
  return {
    client,
    send,
    query,
    ask: async (text, args, options) => query(text, args, options),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.destroy()
      await closed
    },
  }
}
