import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { type ClientRequest, type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { readServiceSettings } from '../../src/config.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import { type Service, startService } from '../../src/server.ts'
import { openLog } from '../../src/telemetry/log.ts'
import type { FaultTarget } from '../support/fault-proxy.ts'
import { type PostgresServer, sharedPostgres } from '../support/postgres.ts'
import { newKey, putKeys } from '../support/world-keys.ts'
import { ChildService } from './child-service.ts'

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- the shape is what is being tested
  readonly json: any
}

export interface RawAsk {
  readonly method?: string
  readonly key?: string
  /** Pairs, so that a name can come twice. */
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: unknown
  readonly plane?: 'tenant' | 'operator'
}

/** The whole service on ports of its own, over a registry that begins with one operator key. */
export class ServiceWorld<S extends Service = Service> implements AsyncDisposable {
  readonly service: S
  readonly server: PostgresServer
  readonly logLines: string[]
  readonly #admin: string
  /** Where its registry is. */
  readonly folder: string
  readonly #databases: string[] = []
  readonly #answers: string[] = []
  readonly #secrets: string[] = []

  constructor(service: S, admin: string, folder: string, logLines: string[]) {
    this.service = service
    this.server = sharedPostgres()
    this.#admin = admin
    this.folder = folder
    this.logLines = logLines
  }

  /** A database with a role that owns nothing, may enter, and reads `notes`; resolves its DSN. */
  async database(name = `t_${randomBytes(8).toString('hex')}`): Promise<string> {
    const password = randomBytes(16).toString('hex')
    this.#secrets.push(password)
    await this.server.createRole(name, password)
    await this.server.createDatabase(name)
    this.#databases.push(name)
    await this.server.execute(
      `revoke connect on database "${name}" from public;
       grant connect on database "${name}" to "${name}";
       create table notes (id serial primary key, body text);
       grant all on notes, notes_id_seq to "${name}"`,
      name,
    )
    return this.server.dsn(name, name, password)
  }

  /** Registers a tenant over HTTP, at an address that is not the server's own where one is given, and resolves a key of its own and its database. */
  async tenant(id: string, address?: FaultTarget): Promise<{ key: string; database: string }> {
    const dsn = new URL(await this.database())
    if (address) dsn.host = `${address.host}:${address.port}`
    const registered = await this.operate('/v1/tenants', { body: { id, route: { dsn: dsn.href } } })
    if (registered.status !== 201) throw new Error(registered.text)
    return { key: await this.keyFor(id), database: registered.json.tenant.database }
  }

  /** Not kept among the answers that are searched for secrets: it is the one that holds one. */
  async keyFor(tenant: string): Promise<string> {
    const body = { scope: { kind: 'tenant', tenant } }
    const { json } = await this.#send('/v1/keys', { plane: 'operator', key: this.#admin, body })
    this.#secrets.push(json.secret.slice(16))
    return json.secret
  }

  async ask(path: string, ask: RawAsk = {}): Promise<RawAnswer> {
    const answer = await this.#send(path, ask)
    this.#answers.push(answer.text)
    return answer
  }

  /** Asks the operator plane, as admin unless told otherwise. */
  operate(path: string, ask: RawAsk = {}): Promise<RawAnswer> {
    return this.ask(path, { key: this.#admin, ...ask, plane: 'operator' })
  }

  /** What makes a request one of the operator plane, as admin. */
  asAdmin(): RawAsk {
    return { plane: 'operator', key: this.#admin }
  }

  /** A request that the caller ends, reads or leaves. */
  open(path: string, { method, key, headers = [], body, plane }: RawAsk): ClientRequest {
    const url = new URL(path, plane === 'operator' ? this.service.opsUrl : this.service.url)
    const own: [string, string][] = headers.some(([name]) => name === 'host') ? [] : [['host', url.host]]
    if (key !== undefined) own.push(['authorization', `Bearer ${key}`])
    const text = body === undefined ? '' : JSON.stringify(body)
    if (body !== undefined) own.push(['content-length', String(Buffer.byteLength(text))])
    const sent = request(url, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: [...own, ...headers].flat(),
      agent: false,
    })
    sent.end(text)
    return sent
  }

  #send(path: string, ask: RawAsk): Promise<RawAnswer> {
    return answerOf(this.open(path, ask))
  }

  leaks(): string[] {
    return [...this.#answers, ...this.logLines].filter((text) =>
      this.#secrets.some((one) => text.includes(one)),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leaks = this.leaks().length
    await this.service.close()
    for (const name of this.#databases) {
      await this.server.dropDatabase(name)
      await this.server.dropRole(name)
    }
    await rm(this.folder, { recursive: true, force: true })
    if (leaks > 0) throw new Error(`${leaks} answers or log lines hold a secret`)
  }
}

export function answerOf(sent: ClientRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    sent.once('error', reject)
    sent.once('response', (response) => {
      textOf(response).then((text) => {
        const json: unknown = response.headers['content-type']?.match(/^application\/(problem\+)?json/)
          ? JSON.parse(text)
          : undefined
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json })
      }, reject)
    })
  })
}

/** @param settings beside those that every service needs, without their prefix. */
export async function startServiceWorld(settings: Record<string, string> = {}): Promise<ServiceWorld> {
  return startedBy(settings, (variables, logLines) => {
    const log = openLog('debug', { write: (line: string) => void logLines.push(line) })
    return startService(readServiceSettings(variables), { log })
  })
}

/** As `startServiceWorld`, in a process of its own. */
export async function startChildWorld(
  settings: Record<string, string> = {},
  openFiles?: number,
): Promise<ServiceWorld<ChildService>> {
  return startedBy(settings, (variables, logLines) => ChildService.start(variables, logLines, { openFiles }))
}

async function startedBy<S extends Service>(
  settings: Record<string, string>,
  start: (variables: Readonly<Record<string, string>>, logLines: string[]) => Promise<S>,
): Promise<ServiceWorld<S>> {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-service-'))
  const path = join(folder, 'registry.yaml')
  const admin = await firstKey(path)
  const variables = {
    REGISTRY_URL: `file:${path}`,
    MASTER_KEY: generateMasterKey().reveal(),
    PORT: '0',
    OPS_PORT: '0',
    BASE_DOMAIN: 'db.example.test',
    ...settings,
  }
  const named = Object.entries(variables).map(([name, value]) => [`TENANTRY_${name}`, value])
  const logLines: string[] = []
  try {
    return new ServiceWorld(await start(Object.fromEntries(named), logLines), admin, folder, logLines)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

async function firstKey(path: string): Promise<string> {
  await using registry = await FileRegistry.open(path)
  const { key, record } = newKey({ kind: 'operator', role: 'admin' }, { name: 'first' })
  await putKeys(registry, [record])
  return key
}
