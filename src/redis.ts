import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { Redis } from 'ioredis'
import { z } from 'zod'
import { InvalidConfigError, RedisUnavailableError } from './errors.ts'
import type { RedisScript } from './redis/redis-script.ts'
import type { Secret } from './secret.ts'
import { warn } from './warn.ts'

/** Milliseconds for a connection and its handshake; also what a silent connection with questions open is given. */
const CONNECT_MS = 1_000
/** Milliseconds between two questions to a Redis that does not answer. Nobody waits for them. */
const PROBE_MS = 250
const MAX_RECONNECT_MS = 1_000
/** Milliseconds that `close()` gives the other side. */
const CLOSE_MS = 200
const FORM = 'redis://[USER[:PASSWORD]@]HOST[:PORT][/NUMBER], or rediss://… for TLS [?ca=FILE]'

export const RedisOptions = z.strictObject({
  /**
   * Milliseconds that a call waits for Redis: what a request loses, once, where Redis hangs. 50 are the most that one
   * may lose; the rest is for a process that is busy.
   */
  deadlineMs: z.int().min(5).max(10_000).default(30),
  /** Calls under way; further ones are refused at once. */
  maxCalls: z.int().positive().default(10_000),
  /** Hears, once for each outage, why Redis is not there. Default: a process warning. */
  onFault: z.custom<(fault: Error) => void>((value) => typeof value === 'function').default(() => warn),
})
/** How long a call may wait, how many may, and who hears of an outage. */
export type RedisOptions = z.input<typeof RedisOptions>

type Argument = string | number | Buffer

/**
 * Connects to Redis. A Redis that is not there is no error: calls fail at once until it is.
 * @param url `redis://user:password@host:port/number` or `rediss://…`.
 * @throws {InvalidConfigError} that repeats nothing of the URL.
 */
export async function openRedis(url: string | Secret, options: RedisOptions = {}): Promise<RedisConnection> {
  const connection = new RedisConnection(url, options)
  await connection.started
  return connection
}

/**
 * One connection to one Redis, which reconnects on its own until `close()`. Who calls waits for `deadlineMs` at
 * most. After one call that got no answer in time all fail at once, until Redis has answered a question of ours as
 * quickly: a stopped process keeps its connections open, so the driver does not notice. Nothing is sent twice.
 */
export class RedisConnection implements AsyncDisposable {
  /** The first attempt to connect is over, one way or the other. */
  readonly started: Promise<void>
  readonly #client: Redis
  readonly #options: z.output<typeof RedisOptions>
  #calls = 0
  /** Did not answer in time; the timer is the next question to it. */
  #stall: { probe: NodeJS.Timeout | undefined } | undefined
  #isFaultTold = false
  #closing: Promise<void> | undefined

  constructor(url: string | Secret, options: RedisOptions = {}) {
    this.#options = RedisOptions.parse(options)
    this.#client = new Redis({ ...targetOf(url), ...failFast(this.#options.deadlineMs) })
    this.#client.on('error', (error: unknown) => this.#tell(unavailable(error)))
    this.#client.on('close', () => this.#tell(new RedisUnavailableError('the connection to Redis ended')))
    this.#client.on('ready', () => this.#recovered())
    const connected = this.#client.connect().catch(() => undefined) // told by the event
    this.started = atMost(connected, CONNECT_MS)
  }

  /** Whether a call would be sent. */
  get isAvailable(): boolean {
    return this.#client.status === 'ready' && this.#stall === undefined && this.#closing === undefined
  }

  /**
   * Sends one command and resolves with Redis's answer.
   * @throws {RedisUnavailableError} when it is not there, is slow, or refuses the command. It may have run.
   */
  call(command: string, ...args: readonly Argument[]): Promise<unknown> {
    return this.#guarded(() => this.#client.call(command, ...args))
  }

  /** As `call`. */
  run(script: RedisScript, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args]
    return this.#guarded(() =>
      this.#client.call('evalsha', script.digest, ...rest).catch((error: unknown) => {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
        return this.#client.call('eval', script.source, ...rest)
      }),
    )
  }

  /** What is under way fails. Safe to call again. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    clearTimeout(this.#stall?.probe)
    const hasSocket = ['connecting', 'connect', 'ready'].includes(this.#client.status)
    const ended = new Promise<void>((resolve) => this.#client.once('end', resolve))
    this.#client.disconnect()
    if (hasSocket) await atMost(ended, 2 * CLOSE_MS)
  }

  #guarded(send: () => Promise<unknown>): Promise<unknown> {
    if (!this.isAvailable) return Promise.reject(new RedisUnavailableError('Redis is not there'))
    if (this.#calls >= this.#options.maxCalls)
      return Promise.reject(new RedisUnavailableError('too many calls wait for Redis'))
    return this.#timed(send)
  }

  #timed(send: () => Promise<unknown>): Promise<unknown> {
    this.#calls++
    return new Promise<unknown>((resolve, reject) => {
      const late = () => {
        reject(new RedisUnavailableError(`no answer of Redis in ${this.#options.deadlineMs} ms`))
        this.#stalled()
      }
      let check: NodeJS.Immediate | undefined
      // Where it was us who were busy the answer may be here, unread: timers come before what sockets hold.
      const timer = setTimeout(() => {
        check = setImmediate(late)
      }, this.#options.deadlineMs)
      send()
        .then(resolve, (error: unknown) => reject(unavailable(error)))
        .finally(() => {
          this.#calls--
          clearTimeout(timer)
          clearImmediate(check)
        })
    })
  }

  #stalled(): void {
    if (this.#stall !== undefined || this.#closing !== undefined) return
    this.#stall = { probe: undefined }
    this.#tell(new RedisUnavailableError(`Redis does not answer in ${this.#options.deadlineMs} ms`))
    this.#probeLater(this.#stall)
  }

  #probeLater(stall: { probe: NodeJS.Timeout | undefined }): void {
    if (this.#closing !== undefined) return
    stall.probe = setTimeout(() => {
      this.#timed(() => this.#client.ping()).then(
        () => {
          this.#stall = undefined
          this.#recovered()
        },
        () => this.#probeLater(stall),
      )
    }, PROBE_MS)
  }

  #recovered(): void {
    if (this.isAvailable) this.#isFaultTold = false
  }

  #tell(fault: RedisUnavailableError): void {
    if (this.#isFaultTold || this.#closing !== undefined) return
    this.#isFaultTold = true
    this.#options.onFault(fault)
  }
}

/** ioredis 6.0.0 would queue, wait without end and send again what was under way. */
const failFast = (deadlineMs: number) => ({
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // With 1 a command under way when the connection ends is neither answered nor refused after the next one is made.
  maxRetriesPerRequest: 0,
  connectTimeout: CONNECT_MS,
  commandTimeout: Math.max(CONNECT_MS, deadlineMs), // of the handshake; calls have one of ours
  socketTimeout: Math.max(CONNECT_MS, deadlineMs),
  disconnectTimeout: CLOSE_MS,
  retryStrategy: (times: number) => Math.min(50 * 2 ** Math.min(times, 10), MAX_RECONNECT_MS),
  // After a failover the old primary goes on as a replica; the name may lead to the new one.
  reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
})

interface RedisTarget {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly username?: string
  readonly password?: string
  readonly tls?: { readonly servername?: string; readonly ca?: string }
}

/** @throws {InvalidConfigError} */
function targetOf(text: string | Secret): RedisTarget {
  const trimmed = (typeof text === 'string' ? text : text.reveal()).trim()
  if (!URL.canParse(trimmed)) throw fault(`expected ${FORM}`)
  const url = new URL(trimmed)
  if (!/^rediss?:$/.test(url.protocol) || url.hostname === '' || url.hash !== '')
    throw fault(`expected ${FORM}`)
  const isSecure = url.protocol === 'rediss:'
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'ca')
  if (unknown !== undefined) throw fault(`the parameter ${unknown.slice(0, 40)} is not known; known is ca`)
  const ca = url.searchParams.get('ca')
  if (ca !== null && !isSecure) throw fault('ca needs rediss://')
  const path = /^\/?(\d{0,5})$/.exec(url.pathname)
  if (path === null) throw fault('the path must be the number of a database')
  const host = url.hostname.replaceAll(/^\[|\]$/g, '')
  return {
    host,
    port: url.port === '' ? 6379 : Number(url.port),
    db: Number(path[1]),
    ...(url.username === '' ? {} : { username: decoded('user', url.username) }),
    ...(url.password === '' ? {} : { password: decoded('password', url.password) }),
    ...(isSecure ? { tls: tlsOf(host, ca) } : {}),
  }
}

function tlsOf(host: string, ca: string | null): NonNullable<RedisTarget['tls']> {
  const name = isIP(host) === 0 ? { servername: host } : {}
  if (ca === null) return name
  try {
    return { ...name, ca: readFileSync(ca, 'utf8') }
  } catch {
    throw fault(`the file that ca names cannot be read: ${ca}`)
  }
}

function decoded(part: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw fault(`the ${part} holds a % that is not followed by two hexadecimal digits`)
  }
}

function fault(why: string): InvalidConfigError {
  return new InvalidConfigError([`Redis URL: ${why}`])
}

/** The driver's error holds the command with its arguments, the password of the handshake too: only its kind is kept. */
function unavailable(error: unknown): RedisUnavailableError {
  if (!(error instanceof Error)) return new RedisUnavailableError('Redis failed')
  if (error.name === 'ReplyError')
    return new RedisUnavailableError(`Redis refused: ${/^[A-Z]+\b/.exec(error.message)?.[0] ?? 'ERR'}`)
  return new RedisUnavailableError(`Redis cannot be reached: ${error.message || error.name}`)
}

/** @param work never rejects. */
async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
