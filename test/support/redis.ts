import { spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { isAlive, signal } from '../../src/demo/process-table.ts'
import { InternalError } from '../../src/errors.ts'
import { freePort } from './free-port.ts'
import { freeze } from './freeze.ts'
import { redisBinary } from './redis-binary.ts'
import { rememberProcess } from './started-processes.ts'

const READY_MS = 20_000
const GONE_MS = 5_000
const ATTEMPTS = 5

export interface RedisServerOptions {
  /** Of the default user. */
  readonly password?: string
  /** Further settings, as on its command line without the dashes. */
  readonly settings?: Readonly<Record<string, string | number>>
}

/** A real Redis that keeps nothing on disk. Stop it: `await using`. */
export class RedisServer implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #binary: string
  readonly #folder: string
  readonly #options: RedisServerOptions
  /** Undefined while it is killed. */
  #running: { readonly pid: number; readonly forget: () => void } | undefined
  #stopping: Promise<void> | undefined

  constructor(binary: string, port: number, folder: string, options: RedisServerOptions) {
    this.#binary = binary
    this.port = port
    this.#folder = folder
    this.#options = options
  }

  get url(): string {
    const { password } = this.#options
    return `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}${this.host}:${this.port}`
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get pid(): number {
    if (this.#running === undefined) throw new InternalError('this Redis does not run')
    return this.#running.pid
  }

  /** Sends one command over a connection of its own. */
  async command(name: string, ...args: (string | number)[]): Promise<unknown> {
    const client = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null })
    client.on('error', () => undefined) // the command says it
    try {
      await client.connect()
      return await client.call(name, ...args)
    } finally {
      client.disconnect()
    }
  }

  /** All it holds is lost, and every connection is reset. Resolves when the process has gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** New connections are accepted by the kernel and never answered; those there are hear nothing. */
  freeze(): void {
    freeze(this.pid)
  }

  resume(): void {
    signal(this.pid, 'SIGCONT')
  }

  /** On the same port, empty, after it was killed. Resolves when it answers. */
  async restart(): Promise<void> {
    if (!(await this.launch())) throw new InternalError(`Redis does not start:\n${await this.log()}`)
  }

  log(): Promise<string> {
    return readFile(join(this.#folder, 'redis.log'), 'utf8')
  }

  /** @returns whether it answers; false where someone took the port. */
  async launch(): Promise<boolean> {
    const log = await open(join(this.#folder, 'redis.log'), 'a', 0o600)
    const child = spawn(this.#binary, this.#commandLine(), {
      cwd: this.#folder,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: '/usr/bin:/bin' },
    })
    await log.close()
    child.once('error', () => undefined) // has no pid then
    const { pid } = child
    if (pid === undefined) throw new InternalError(`${this.#binary} does not start`)
    child.unref()
    this.#running = { pid, forget: rememberProcess(pid, this.#folder) }
    const deadline = performance.now() + READY_MS
    while (isAlive(pid) && performance.now() < deadline) {
      if ((await this.command('ping').catch(() => undefined)) === 'PONG') return true
      await delay(10)
    }
    await this.kill()
    return false
  }

  /** Safe to call again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#remove()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #commandLine(): string[] {
    const { password, settings } = this.#options
    const all = {
      bind: this.host,
      port: this.port,
      dir: this.#folder,
      save: '',
      appendonly: 'no',
      ...(password === undefined ? {} : { requirepass: password }),
      ...settings,
    }
    return Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)])
  }

  async #end(how: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    signal(running.pid, how)
    if (how === 'SIGTERM') signal(running.pid, 'SIGCONT') // it may be frozen, which SIGKILL does not mind
    const deadline = performance.now() + GONE_MS
    while (isAlive(running.pid)) {
      if (performance.now() > deadline) signal(running.pid, 'SIGKILL')
      await delay(5)
    }
    running.forget()
  }

  async #remove(): Promise<void> {
    await this.#end('SIGTERM')
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

/** Resolves when it answers, on a free loopback port. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = await redisBinary()
  for (let attempt = 1; ; attempt++) {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-redis-'))
    const server = new RedisServer(binary, await freePort(), folder, options)
    if (await server.launch()) return server
    const said = await server.log()
    await server.stop()
    if (attempt === ATTEMPTS || !/in use/i.test(said)) {
      throw new InternalError(`Redis does not start:\n${said.slice(-2_000)}`)
    }
  }
}
