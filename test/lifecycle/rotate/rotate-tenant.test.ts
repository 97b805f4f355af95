import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { diagnose } from '../../../src/lifecycle/doctor/doctor.ts'
import { listOperations } from '../../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { rotateTenant, startRotation } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import { resumeTenant } from '../../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import type { Registry } from '../../../src/registry/registry.ts'
import { dyingAfter, runningOf, successor } from '../dying.ts'
import { LifecycleGround, randomName, sqlstateOf } from '../ground.ts'
import { loginOf, mayLogin } from './logins.ts'

const STEPS = ['make', 'prove', 'switch', 'drain', 'close']
/** One process serves, and none at all here. */
const AT_ONCE = { hearMs: 0 }

/** A ground for all tests of a `describe`; each makes tenants of its own. */
function groundFor(version: 15 | 18): () => LifecycleGround {
  let ground: LifecycleGround
  beforeAll(async () => {
    ground = await LifecycleGround.withServer(version)
  })
  afterAll(() => ground[Symbol.asyncDispose]())
  return () => ground
}

async function provision(ground: LifecycleGround, id: string): Promise<LifecycleGround> {
  const schema = "create table projects (name text); insert into projects values ('one')"
  await provisionTenant(ground.parts, { id, schema }, 'test')
  return ground
}

/** Parts that do something else once, before the step is kept as done. */
function meeting(parts: LifecycleParts, step: string, what: () => Promise<unknown>): LifecycleParts {
  return { ...parts, onStep: async ({ name }) => void (name === step && (await what())) }
}

/** Parts of a process that falls asleep once, between what it has read and what it does. */
function sleepy(parts: LifecycleParts) {
  const { registry } = parts
  let wake: () => void = () => undefined
  let state: 'awake' | 'tired' | 'asleep' = 'awake'
  const find: Registry['find'] = async (kind, ...which) => {
    const entry = await registry.find(kind, ...which)
    if (state !== 'tired' || kind !== 'tenant') return entry
    state = 'asleep'
    await new Promise<void>((resolve) => (wake = resolve))
    return entry
  }
  const slow = new Proxy(registry, {
    get(target, name) {
      const value: unknown = name === 'find' ? find : Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return {
    parts: { ...parts, registry: slow },
    sleep: () => (state = 'tired'),
    isAsleep: () => state === 'asleep',
    wake: () => wake(),
  }
}

describe.each([15, 18] as const)('rotating a provisioned tenant on Postgres %i', (version) => {
  const theGround = groundFor(version)
  it('goes over to its other login slot and back, and Postgres refuses each password that was', async () => {
    const ground = await provision(theGround(), 'acme')
    const first = await loginOf(ground, 'acme')
    const rotated = await rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')
    const second = await loginOf(ground, 'acme')
    expect(rotated).toMatchObject({ from: first.user, to: second.user, sessionsEnded: 0, caveat: null })
    expect([first.user.at(-1), second.user.at(-1)]).toEqual(['a', 'b'])
    expect(await sqlstateOf(first.enter())).toBe('28P01')
    expect((await second.ask('select name from projects')).rows).toEqual([{ name: 'one' }])
    const { epoch, operation, rotatedAt } = await ground.tenant('acme')
    expect({ epoch, operation, isTold: rotatedAt !== undefined }).toEqual({
      epoch: 2,
      operation: null,
      isTold: true,
    })

    await rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')
    const third = await loginOf(ground, 'acme')
    expect(third.user).toBe(first.user)
    expect(third.password).not.toBe(first.password)
    expect(await sqlstateOf(first.enter())).toBe('28P01')
    expect(await sqlstateOf(second.enter())).toBe('28P01')
    expect(await mayLogin(ground, [first.user, second.user])).toEqual([first.user])
    // Nothing that opens anything is left in what the rotations have kept.
    const { entries } = await ground.registry.list('operation', undefined, { tenant: 'acme' })
    const rotations = entries.filter(({ record }) => record.kind === 'rotate')
    expect(rotations.map(({ record }) => record.data['password'])).toEqual([null, null])
  })

  it('goes on where a process ended, after any step', async () => {
    const ground = await provision(theGround(), 'globex')
    for (const step of STEPS) {
      const before = await loginOf(ground, 'globex')
      const dying = rotateTenant(dyingAfter(ground.parts, step), 'globex', AT_ONCE, 'test')
      await expect(dying).rejects.toThrow('the process is gone')
      // Whoever serves goes on serving, whatever became of the rotation.
      await (await ground.connect('globex')).end()
      const { result } = await resumeOperation(
        successor(ground.parts),
        await runningOf(ground.registry, 'globex'),
        'test',
      )
      await result
      const after = await loginOf(ground, 'globex')
      expect(after.user).not.toBe(before.user)
      expect(await sqlstateOf(before.enter())).toBe('28P01')
      expect(await mayLogin(ground, [before.user, after.user])).toEqual([after.user])
    }
    const { findings } = await diagnose(ground.parts, { server: 'main' })
    expect(findings.filter(({ subject }) => subject === 'tenant globex')).toEqual([])
    const { operations } = await listOperations(ground.registry, { tenant: 'globex' })
    const rotations = operations.filter(({ kind }) => kind === 'rotate')
    expect(rotations.map(({ state, stepsDone }) => [state, stepsDone])).toEqual(
      STEPS.map(() => ['done', STEPS]),
    )
  })
})

describe('a rotation', () => {
  const theGround = groundFor(18)
  it('lets the old login in until replicas had time to hear, and waits for who is on it', async () => {
    const ground = await provision(theGround(), 'initech')
    const old = await loginOf(ground, 'initech')
    const client = await ground.connect('initech')
    const parts = meeting(ground.parts, 'switch', async () => (await old.enter()).end())
    const rotating = rotateTenant(parts, 'initech', { hearMs: 50, drainMs: 60_000 }, 'test')
    await vi.waitFor(async () => expect((await ground.tenant('initech')).epoch).toBe(2))
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await client.end()
    expect((await rotating).sessionsEnded).toBe(0)
  })

  it('ends what is left on the old login after the deadline', async () => {
    const ground = await provision(theGround(), 'umbrella')
    const client = await ground.connect('umbrella')
    const { sessionsEnded } = await rotateTenant(ground.parts, 'umbrella', { hearMs: 0, drainMs: 50 }, 'test')
    expect(sessionsEnded).toBe(1)
    expect(await sqlstateOf(client.query('select 1'))).toBeDefined()
  })

  it('is not begun for a suspended tenant, and one that meets a suspension opens no login', async () => {
    const ground = await provision(theGround(), 'soylent')
    const { user } = await loginOf(ground, 'soylent')
    const slots = [user, `${user.slice(0, -1)}b`]
    const serving = { ...ground.parts, adminSealer: undefined }
    // Who suspends locks both logins, or has no key for that and locks none.
    for (const [step, suspender, open] of [
      ['make', ground.parts, []],
      ['make', serving, [user]],
      ['prove', serving, [user]],
    ] as const) {
      const suspend = () => suspendTenant(suspender, 'soylent', {}, 'test')
      const meets = rotateTenant(meeting(ground.parts, step, suspend), 'soylent', AT_ONCE, 'test')
      await expect(meets).rejects.toThrow(/is suspended/)
      expect(await mayLogin(ground, slots)).toEqual(open)
      await expect(rotateTenant(ground.parts, 'soylent', AT_ONCE, 'test')).rejects.toThrow(/is suspended/)
      expect(await mayLogin(ground, slots)).toEqual(open)
      await resumeTenant(ground.parts, 'soylent', 'test')
    }
    // The next one goes on with it.
    expect((await rotateTenant(ground.parts, 'soylent', AT_ONCE, 'test')).to).toBe(slots[1])
    expect(await mayLogin(ground, slots)).toEqual([slots[1]])
  })

  it('waits as long as replicas may take to hear of it, though nobody is on the old login', async () => {
    const ground = await provision(theGround(), 'cyberdyne')
    const at = new Map<string, number>()
    const onStep = ({ name }: { name: string }) => void at.set(name, performance.now())
    await rotateTenant({ ...ground.parts, onStep }, 'cyberdyne', { hearMs: 400 }, 'test')
    expect((at.get('drain') ?? 0) - (at.get('switch') ?? 0)).toBeGreaterThanOrEqual(399)
  })

  it('of a process that was only slow does no harm to the one that went on with it', async () => {
    const ground = await provision(theGround(), 'gringotts')
    const { parts, sleep, wake, isAsleep } = sleepy(ground.parts)
    const { operation, result } = await startRotation(parts, 'gringotts', AT_ONCE, 'slow')
    sleep()
    await vi.waitFor(() => expect(isAsleep()).toBe(true), 5_000)
    await (await resumeOperation(successor(ground.parts), operation?.id ?? '', 'quick')).result
    // It goes on from what it had read: that the login which is in use by now is not.
    wake()
    await expect(result).rejects.toMatchObject({ code: 'connection_lost' })
    const { user } = await loginOf(ground, 'gringotts')
    expect(user).toBe(operation?.to)
    expect(await mayLogin(ground, [operation?.from ?? '', user])).toEqual([user])
  })

  it.each([
    [
      'lacks a right',
      'wayne',
      'grant truncate on projects to "%a"',
      /b may not do all that .*: TRUNCATE on public\.projects\./,
    ],
    [
      'has more',
      'gekko',
      'grant connect on database %elsewhere to "%b"',
      /has more than .*: CONNECT on elsewhere_/,
    ],
  ])('is stopped where the other login %s, and changes nothing', async (_, id, grant, why) => {
    const ground = await provision(theGround(), id)
    const { database, user } = await loginOf(ground, id)
    const elsewhere = randomName('elsewhere')
    await ground.foreign(randomName('role'), [elsewhere])
    await ground.server.execute(`revoke connect on database ${elsewhere} from public`)
    const stem = user.slice(0, -1)
    await ground.server.execute(grant.replace('%elsewhere', elsewhere).replace(/%(.)/, `${stem}$1`), database)
    await expect(rotateTenant(ground.parts, id, AT_ONCE, 'test')).rejects.toThrow(why)
    expect((await ground.tenant(id)).epoch).toBe(1)
    await (await ground.connect(id)).end()
  })

  it('tells of what stays with the old login: large objects that the other may not read, and settings', async () => {
    const ground = await provision(theGround(), 'nakatomi')
    const { database, user } = await loginOf(ground, 'nakatomi')
    const other = `${user.slice(0, -1)}b`
    await ground.server.execute(
      `set role "${user}"; select lo_create(1), lo_create(2), lo_create(3); grant select on large object 1 to "${other}";
       grant select on large object 2 to public; reset role;
       alter role "${user}" set search_path to own; alter role "${user}" in database ${database} set jit to off`,
      database,
    )
    const doctored = await diagnose(ground.parts, { server: 'main' })
    expect(doctored.findings.map(({ what }) => what)).toContain(
      'Its login slots are not set alike: search_path.',
    )
    const { caveat } = await rotateTenant(ground.parts, 'nakatomi', AT_ONCE, 'test')
    expect(caveat).toMatch(
      /^1 large objects stay .* for t_\w+_b: jit, search_path\. Set it for the database\.$/,
    )
    expect((await rotateTenant(ground.parts, 'nakatomi', AT_ONCE, 'test')).caveat).toBeNull()
  })

  it('is refused where passwords come from a provider, and where a login is given that is not asked for', async () => {
    const ground = await provision(theGround(), 'tyrell')
    const given = rotateTenant(ground.parts, 'tyrell', { dsn: ground.admin.dsn }, 'test')
    await expect(given).rejects.toMatchObject({ code: 'invalid_request' })
    const server = await ground.registry.find('server', 'main')
    if (!server) throw new Error('no server')
    const record = { ...server.record, passwordProvider: 'tokens' }
    const audit = { actor: 'test', action: 'test', target: 'main', at: new Date().toISOString(), detail: {} }
    await ground.registry.commit({ puts: [{ kind: 'server', id: 'main', record }], audit }, [server])
    await expect(rotateTenant(ground.parts, 'tyrell', AT_ONCE, 'test')).rejects.toThrow(
      /from its provider tokens/,
    )
  })
})
