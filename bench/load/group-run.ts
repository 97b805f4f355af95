import { setTimeout as delay } from 'node:timers/promises'
import { judge, probeBody } from '../../src/load/probe-query.ts'
import { type QueryAnswer, QueryClient } from '../../src/load/query-client.ts'
import { TenantPicker } from '../../src/load/tenant-picker.ts'
import { Secret } from '../../src/secret.ts'
import { GroupTally } from './group-tally.ts'
import type { Group } from './load-job.ts'

/** A target that refuses every connection is not asked as fast as it refuses. */
const PAUSE_AFTER_FAILURE_MS = 50

type Tenant = Group['tenants'][number]

/** Asks in a closed loop for one group. The choice of tenants goes on from one `run` to the next. */
export class GroupRun implements Disposable {
  readonly #group: Group
  readonly #clients: ReadonlyMap<string, QueryClient>
  readonly #body: string
  readonly #next: () => number
  readonly #pause: TenantPicker

  constructor(group: Group, url: string, seed: number, timeoutMs: number) {
    this.#group = group
    const options = { connections: group.workers, timeoutMs }
    const keys = new Set(group.tenants.map(({ key }) => key))
    this.#clients = new Map([...keys].map((key) => [key, new QueryClient(url, new Secret(key), options)]))
    const { ask } = group
    this.#body = ask.kind === 'rows' ? probeBody(ask.rows) : sleepBody(ask.ms)
    this.#next = picker(group, seed)
    // Used as a source of even random numbers that the seed decides.
    this.#pause = new TenantPicker(10_000, 0, seed + 1)
  }

  async run(seconds: number): Promise<GroupTally> {
    const tally = new GroupTally(this.#group)
    const deadline = performance.now() + seconds * 1000
    await Promise.all(Array.from({ length: this.#group.workers }, () => this.#work(deadline, tally)))
    return tally
  }

  async #work(deadline: number, tally: GroupTally): Promise<void> {
    const { tenants, thinkMs } = this.#group
    while (performance.now() < deadline) {
      const index = this.#next()
      const tenant = tenants[index]
      if (tenant) await this.#ask(tenant, index, tally)
      if (thinkMs > 0) await delay(-thinkMs * Math.log((this.#pause.next() + 1) / 10_000))
    }
  }

  async #ask(tenant: Tenant, index: number, tally: GroupTally): Promise<void> {
    tally.ask(index)
    const started = performance.now()
    try {
      const answer = await this.#clients.get(tenant.key)?.post(tenant.id, this.#body)
      const ms = performance.now() - started
      const verdict = answer && this.#judge(answer, tenant)
      if (verdict?.kind === 'right') tally.right(ms)
      else if (verdict?.kind === 'wrong') tally.wrong()
      else tally.failed(verdict?.code ?? 'no_client')
    } catch (error) {
      tally.failed(error instanceof Error ? error.name : 'unknown')
      await delay(PAUSE_AFTER_FAILURE_MS)
    }
  }

  #judge(answer: QueryAnswer, tenant: Tenant) {
    const { ask } = this.#group
    if (ask.kind === 'rows' || answer.status !== 200)
      return judge(answer, tenant.database, ask.kind === 'rows' ? ask.rows : 0)
    return { kind: 'right' } as const
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]()
  }
}

function sleepBody(ms: number): string {
  return JSON.stringify({ sql: 'select pg_catalog.pg_sleep($1::float8)', params: [ms / 1000] })
}

function picker({ pick, tenants }: Group, seed: number): () => number {
  if (pick === 'cycle') {
    let at = 0
    return () => at++ % tenants.length
  }
  const zipf = new TenantPicker(tenants.length, pick, seed)
  return () => zipf.next()
}
