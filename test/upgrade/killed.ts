import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import type { ServiceWorld } from '../http/service-world.ts'
import { ownerAt } from './asking.ts'
import { REGISTRY, Rollout } from './rollout.ts'
import { BEFORE, type Version } from './version.ts'

/** What leads to the state that the verb starts from, and the verb; the tenant's name comes in. */
interface Saga {
  readonly prepare: readonly ((id: string) => readonly string[])[]
  readonly verb: (id: string) => readonly string[]
  /** What a replica answers for the tenant afterwards. */
  readonly after: (id: string) => string
}

const quick = ['--hear', '0s', '--drain', '5s']
const created = (id: string) => ['tenant', 'create', id]
const deleted = (id: string) => ['tenant', 'delete', id, '--yes', id]

/** Of one tenant each. `create` stands for the words that make one with a table of its own. */
const SAGAS: Readonly<Record<string, Saga>> = {
  rotate: { prepare: [created], verb: (id) => ['tenant', 'rotate', id, ...quick], after: (id) => id },
  delete: { prepare: [created], verb: deleted, after: () => 'tenant_deleted' },
  undelete: { prepare: [created, deleted], verb: (id) => ['tenant', 'undelete', id], after: (id) => id },
  purge: {
    prepare: [created, deleted],
    verb: (id) => ['tenant', 'purge', id, '--now', '--yes', id],
    after: () => 'tenant_unknown',
  },
  // Last: 0.1.0 counts a database that is half made against each tenant that it makes or checks meanwhile.
  provision: { prepare: [], verb: created, after: (id) => id },
}

/** The end of an operation, beside its steps. */
const END = '(end)'

/**
 * Lets whoever keeps a step of an operation wait within its commit for as long as the row below stands: the step has
 * been done then, and the registry does not say so.
 */
const HOLD = `
  create table public.hold (tenant text, step text);
  create function public.hold() returns trigger language plpgsql security definer as $$
  begin
    if new.kind = 'operation' and exists (
      select from public.hold h where h.tenant = new.tenant
        and h.step = case new.record ->> 'state' when 'done' then '${END}' else new.record -> 'stepsDone' ->> -1 end
    ) then
      perform pg_sleep(60);
    end if;
    return new;
  end $$;
  create trigger hold before insert on tenantry_registry.entry for each row execute function public.hold()`

export function describeKilled(versions: () => { readonly begins: Version; readonly goesOn: Version }): void {
  let rollout: Rollout
  let begins: Version
  let goesOn: Version
  let replica: ServiceWorld
  let serviceKey: string

  beforeAll(async () => {
    ;({ begins, goesOn } = versions())
    rollout = await Rollout.start('postgres', begins)
    for (const version of [begins, goesOn]) await rollout.migrate(version)
    await rollout.grant()
    await rollout.server.execute(HOLD, REGISTRY)
    serviceKey = await rollout.key(begins, '--service')
  })
  afterAll(async () => {
    await replica?.[Symbol.asyncDispose]()
    await rollout?.[Symbol.asyncDispose]()
  })

  async function words(make: (id: string) => readonly string[], id: string): Promise<readonly string[]> {
    return make === created ? rollout.createWords(id) : make(id)
  }

  /** The steps of a saga, as the audit has them of one that came to its end. */
  async function stepsOf(kind: string, { prepare, verb }: Saga): Promise<string[]> {
    const id = `${kind}-whole`
    for (const make of [...prepare, verb]) await rollout.does(begins, await words(make, id))
    const rows = await rollout.server.query<{ step: string }>(
      `select detail ->> 'step' as step from tenantry_registry.audit where target = $1 and action = $2 order by seq`,
      [id, `tenant.${kind}.step`],
      REGISTRY,
    )
    return [...rows.map(({ step }) => step), END]
  }

  /** Resolves when the process that ran the verb is gone, and nothing of what it was at is left on the server. */
  async function kill(id: string, step: string, verb: readonly string[]): Promise<void> {
    const { server } = rollout
    await server.query('insert into public.hold values ($1, $2)', [id, step], REGISTRY)
    const doomed = rollout.begin(begins, verb)
    const held = async () => {
      const rows = await server.query<{ pid: number }>(
        `select pid from pg_stat_activity where datname = $1 and wait_event = 'PgSleep'`,
        [REGISTRY],
      )
      const [row] = rows
      if (row === undefined) throw new Error(`${verb.join(' ')} has not come to step ${step} yet`)
      return row.pid
    }
    const pid = await vi.waitFor(held, { timeout: 20_000, interval: 5 })
    doomed.kill()
    await doomed.ended
    await server.query('select pg_terminate_backend($1, 5000)', [pid])
    await server.query('delete from public.hold', [], REGISTRY)
  }

  async function running(): Promise<{ id: string; until: string }[]> {
    return rollout.server.query(
      `select id, record -> 'holder' ->> 'until' as until from tenantry_registry.entry
        where kind = 'operation' and record ->> 'state' <> 'done'`,
      [],
      REGISTRY,
    )
  }

  it('are whole once the other went on with them, whatever the step', async () => {
    const wanted: { id: string; answer: string; what: string }[] = []
    for (const [kind, saga] of Object.entries(SAGAS)) {
      for (const [index, step] of (await stepsOf(kind, saga)).entries()) {
        const id = `${kind}-${index}`
        for (const make of saga.prepare) await rollout.does(begins, await words(make, id))
        await kill(id, step, await words(saga.verb, id))
        wanted.push({ id, answer: saga.after(id), what: `${kind} killed at ${step}` })
      }
    }
    const killed = await running()
    process.stdout.write(
      `killed by ${begins.name}, gone on with by ${goesOn.name}: ${killed.length} operations\n`,
    )
    expect(killed).toHaveLength(wanted.length)
    const lastHeld = Math.max(...killed.map(({ until }) => Date.parse(until)))
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(lastHeld), { timeout: 60_000, interval: 200 })
    for (const { id } of killed) await rollout.does(goesOn, ['operation', 'resume', id])
    expect(await running()).toEqual([])
    if (goesOn.name === BEFORE.name) await rollout.does(goesOn, ['doctor', '--fix'])
    expect(await rollout.findings(goesOn)).toEqual([])
    replica = await rollout.serve(goesOn, await rollout.key(goesOn, '--operator', 'admin'))
    const answers = await Promise.all(wanted.map(({ id }) => ownerAt(replica, id, serviceKey)))
    expect(wanted.map(({ what }, index) => `${what}: ${answers[index]}`)).toEqual(
      wanted.map(({ what, answer }) => `${what}: ${answer}`),
    )
    expect(await rollout.does(goesOn, ['audit', 'verify'])).toMatchObject({ whole: true })
  })
}
