import { spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive, signal } from '../../src/demo/process-table.ts'
import { InternalError } from '../../src/errors.ts'
import { consulBinary } from './consul-binary.ts'
import { freePort } from './free-port.ts'
import { freeze } from './freeze.ts'
import { rememberProcess } from './started-processes.ts'

const READY_MS = 30_000
const GONE_MS = 10_000

/** A real Consul server with ACLs: without a token nothing is allowed. Stop it: `await using`. */
export class ConsulServer implements AsyncDisposable {
  readonly host = '127.0.0.1'
  readonly port: number
  /** May do everything. */
  readonly token: string
  readonly #folder: string
  readonly #binary: string
  #pid = 0
  #forget: () => void = () => undefined

  constructor(port: number, token: string, folder: string, binary: string) {
    this.port = port
    this.token = token
    this.#folder = folder
    this.#binary = binary
  }

  get url(): string {
    return `http://${this.host}:${this.port}`
  }

  get pid(): number {
    return this.#pid
  }

  /** Asks the HTTP API with the management token, and throws unless it answers 2xx. */
  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(method, path, body === undefined ? undefined : JSON.stringify(body))
    const text = await response.text()
    return text === '' ? undefined : JSON.parse(text)
  }

  /** All its data, for `putBack()`. */
  async snapshot(): Promise<Buffer> {
    const response = await this.#send('GET', '/v1/snapshot')
    return Buffer.from(await response.arrayBuffer())
  }

  /** Makes its data, and their indexes, what they were; resolves when it answers again. */
  async putBack(snapshot: Buffer): Promise<void> {
    await this.#send('PUT', '/v1/snapshot', snapshot)
    const deadline = performance.now() + READY_MS
    while (!(await this.#isReady())) {
      if (performance.now() > deadline)
        throw new InternalError('Consul does not answer after it was put back')
      await delay(20)
    }
  }

  /** A token with these rules (HCL) and no more. */
  async createToken(name: string, rules: string): Promise<string> {
    await this.request('PUT', '/v1/acl/policy', { Name: name, Rules: rules })
    const made = await this.request('PUT', '/v1/acl/token', { Policies: [{ Name: name }] })
    return (made as { SecretID: string }).SecretID // what the API documents
  }

  pause(): void {
    freeze(this.#pid)
  }

  resume(): void {
    signal(this.#pid, 'SIGCONT')
  }

  /** Resolves when it has a leader and the management token works. Its data are what they were before `halt()`. */
  async start(): Promise<void> {
    const log = await open(join(this.#folder, 'consul.log'), 'a')
    const child = spawn(this.#binary, ['agent', '-config-file', join(this.#folder, 'consul.json')], {
      cwd: this.#folder,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    })
    await log.close()
    child.once('error', () => undefined) // has no pid then
    if (child.pid === undefined) throw new InternalError(`${this.#binary} does not start`)
    child.unref()
    this.#pid = child.pid
    this.#forget = rememberProcess(child.pid, this.#folder)
    const deadline = performance.now() + READY_MS
    while (!(await this.#isReady())) {
      if (!isAlive(this.#pid) || performance.now() > deadline) {
        const said = await readFile(join(this.#folder, 'consul.log'), 'utf8')
        await this.stop()
        throw new InternalError(`Consul does not start:\n${said.slice(-2_000)}`)
      }
      await delay(50)
    }
  }

  /** Ends the process and keeps the data, for `start()`. */
  async halt(): Promise<void> {
    this.resume()
    signal(this.#pid, 'SIGTERM')
    const deadline = performance.now() + GONE_MS
    while (isAlive(this.#pid)) {
      if (performance.now() > deadline) signal(this.#pid, 'SIGKILL')
      await delay(20)
    }
    this.#forget()
  }

  async stop(): Promise<void> {
    await this.halt()
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #send(method: string, path: string, body?: string | Buffer): Promise<Response> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: { 'X-Consul-Token': this.token },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(5_000),
    })
    if (response.ok) return response
    throw new InternalError(`Consul answers ${response.status}: ${(await response.text()).slice(0, 200)}`)
  }

  async #isReady(): Promise<boolean> {
    try {
      await this.request('PUT', '/v1/kv/ready', 'yes')
      await this.request('DELETE', '/v1/kv/ready')
      return true
    } catch {
      return false
    }
  }
}

export async function startConsul(): Promise<ConsulServer> {
  const consul = await makeConsul(crypto.randomUUID())
  await consul.start()
  return consul
}

/** Two servers that need each other for a leader: halt one, and the other has none. */
export async function startConsulPair(): Promise<readonly [ConsulServer, ConsulServer]> {
  const token = crypto.randomUUID()
  const serfs = [await freePort(), await freePort()]
  const pair = [await makeConsul(token, serfs, 0), await makeConsul(token, serfs, 1)] as const
  await Promise.all(pair.map((consul) => consul.start()))
  return pair
}

/** @param serfs ports by which servers find each other; this one's is `serfs[own]`. */
async function makeConsul(token: string, serfs: readonly number[] = [], own = 0): Promise<ConsulServer> {
  const binary = await consulBinary()
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-consul-'))
  const http = await freePort()
  const [server, serf] = [await freePort(), serfs[own] ?? (await freePort())]
  const settings = {
    server: true,
    node_name: `server-${own}`,
    bootstrap_expect: Math.max(1, serfs.length),
    retry_join: serfs.filter((port) => port !== serf).map((port) => `127.0.0.1:${port}`),
    retry_interval: '200ms',
    data_dir: join(folder, 'data'),
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    ports: { http, server, serf_lan: serf, serf_wan: -1, dns: -1, grpc: -1, https: -1 },
    acl: { enabled: true, default_policy: 'deny', tokens: { master: token, agent: token } },
    performance: { raft_multiplier: 1, rpc_hold_timeout: '1500ms' },
    disable_update_check: true,
    leave_on_terminate: false,
  }
  await writeFile(join(folder, 'consul.json'), JSON.stringify(settings), { mode: 0o600 })
  return new ConsulServer(http, token, folder, binary)
}
