/**
 * A TCP proxy that delivers what the server says a while later, so that each round trip takes longer by that:
 * `delay-proxy.ts PORT HOST:PORT MS`. One queue and one timer for all connections keep its own work small;
 * how small is measured and reported.
 */
import { connect, createServer, type Socket } from 'node:net'

interface Late {
  readonly dueAt: number
  readonly deliver: () => void
}

const [port = '', target = '', delay = ''] = process.argv.slice(2)
const delayMs = Number(delay)
const [targetHost = '', targetPort = ''] = target.split(':')
/** A timer may fire a little early by the finer clock. */
const EARLY_MS = 0.1

const queue: Late[] = []
let timer: NodeJS.Timeout | undefined

function later(deliver: () => void): void {
  queue.push({ dueAt: performance.now() + delayMs, deliver })
  timer ??= setTimeout(flush, delayMs)
}

function flush(): void {
  const now = performance.now() + EARLY_MS
  let due = 0
  for (let late = queue[due]; late && late.dueAt <= now; late = queue[++due]) late.deliver()
  queue.splice(0, due)
  const [next] = queue
  timer = next && setTimeout(flush, next.dueAt - now)
}

const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const host = targetHost
  const server = connect({ host, port: Number(targetPort), allowHalfOpen: true, noDelay: true })
  client.on('data', (chunk) => server.write(chunk))
  client.on('end', () => server.end())
  server.on('data', (chunk) => later(() => client.write(chunk)))
  server.on('end', () => later(() => client.end()))
  endTogether(client, server)
  endTogether(server, client)
})
listener.listen(Number(port), '127.0.0.1')

function endTogether(one: Socket, other: Socket): void {
  one.on('error', () => other.destroy())
  one.on('close', () => other.destroySoon())
}

process.once('SIGTERM', () => process.exit(0))
