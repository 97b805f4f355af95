import { describe, expect, it, vi } from 'vitest'
import { listOperations } from '../../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { rotateTenant, startRotation } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import { resumeTenant } from '../../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import { dyingAfter, runningOf, successor } from '../dying.ts'
import { LifecycleGround, randomName, sqlstateOf } from '../ground.ts'
import { loginOf, mayLogin } from './logins.ts'

const STEPS = ['make', 'prove', 'switch', 'drain', 'close']
/** One process serves, and none at all here. */
const AT_ONCE = { hearMs: 0 }

async function provisioned(version: 15 | 18, ...ids: string[]): Promise<LifecycleGround> {
  const ground = await LifecycleGround.withServer(version)
  const schema = "create table projects (name text); insert into projects values ('one')"
  for (const id of ids) await provisionTenant(ground.parts, { id, schema }, 'test')
  return ground
}

/** Parts that do something else once, before the step is kept as done. */
function meeting(parts: LifecycleParts, step: string, what: () => Promise<unknown>): LifecycleParts {
  return { ...parts, onStep: async ({ name }) => void (name === step && (await what())) }
}

describe.each([15, 18] as const)('rotating a provisioned tenant on Postgres %i', (version) => {
  it('goes over to its other login slot and back, and Postgres refuses each password that was', async () => {
    await using ground = await provisioned(version, 'acme')
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
  })

  it('goes on where a process ended, after any step', async () => {
    await using ground = await provisioned(version, 'acme')
    for (const step of STEPS) {
      const before = await loginOf(ground, 'acme')
      const dying = rotateTenant(dyingAfter(ground.parts, step), 'acme', AT_ONCE, 'test')
      await expect(dying).rejects.toThrow('the process is gone')
      // Whoever serves goes on serving, whatever became of the rotation.
      await (await ground.connect('acme')).end()
      const { result } = await resumeOperation(
        successor(ground.parts),
        await runningOf(ground.registry, 'acme'),
        'test',
      )
      await result
      const after = await loginOf(ground, 'acme')
      expect(after.user).not.toBe(before.user)
      expect(await sqlstateOf(before.enter())).toBe('28P01')
      expect(await mayLogin(ground, [before.user, after.user])).toEqual([after.user])
    }
    const { operations } = await listOperations(ground.registry, { tenant: 'acme' })
    const rotations = operations.filter(({ kind }) => kind === 'rotate')
    expect(rotations.map(({ state, stepsDone }) => [state, stepsDone])).toEqual(
      STEPS.map(() => ['done', STEPS]),
    )
  })
})

describe('a rotation', () => {
  it('lets the old login in until replicas had time to hear, and waits for who is on it', async () => {
    await using ground = await provisioned(18, 'acme')
    const old = await loginOf(ground, 'acme')
    const client = await ground.connect('acme')
    const parts = meeting(ground.parts, 'switch', async () => (await old.enter()).end())
    const rotating = rotateTenant(parts, 'acme', { hearMs: 50, drainMs: 60_000 }, 'test')
    await vi.waitFor(async () => expect((await ground.tenant('acme')).epoch).toBe(2))
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await client.end()
    expect((await rotating).sessionsEnded).toBe(0)
  })

  it('ends what is left on the old login after the deadline', async () => {
    await using ground = await provisioned(18, 'acme')
    const client = await ground.connect('acme')
    const { sessionsEnded } = await rotateTenant(ground.parts, 'acme', { hearMs: 0, drainMs: 50 }, 'test')
    expect(sessionsEnded).toBe(1)
    expect(await sqlstateOf(client.query('select 1'))).toBeDefined()
  })

  it('keeps its password in no record once it is over', async () => {
    await using ground = await provisioned(18, 'acme')
    await rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')
    const { entries } = await ground.registry.list('operation', undefined, { tenant: 'acme' })
    const { data } = entries.find(({ record }) => record.kind === 'rotate')?.record ?? {}
    expect(data).toMatchObject({ password: null, slot: 'b' })
  })

  it('is not begun for a suspended tenant, and one that meets a suspension opens no login', async () => {
    await using ground = await provisioned(18, 'acme')
    const { user } = await loginOf(ground, 'acme')
    const slots = [user, `${user.slice(0, -1)}b`]
    const suspend = () => suspendTenant(ground.parts, 'acme', {}, 'test')
    for (const step of ['make', 'prove']) {
      const meets = rotateTenant(meeting(ground.parts, step, suspend), 'acme', AT_ONCE, 'test')
      await expect(meets).rejects.toThrow(/is suspended/)
      expect(await mayLogin(ground, slots)).toEqual([])
      await expect(rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')).rejects.toThrow(/is suspended/)
      expect(await mayLogin(ground, slots)).toEqual([])
      await resumeTenant(ground.parts, 'acme', 'test')
    }
    // The next one goes on with it.
    expect((await rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')).to).toBe(slots[1])
    expect(await mayLogin(ground, slots)).toEqual([slots[1]])
  })

  it('of a process that was only slow does no harm to the one that went on with it', async () => {
    await using ground = await provisioned(18, 'acme')
    let wake: () => void = () => undefined
    const asleep = new Promise<void>((resolve) => (wake = resolve))
    const slow = meeting(ground.parts, 'make', () => asleep)
    const { operation, result } = await startRotation(slow, 'acme', AT_ONCE, 'slow')
    const isMade = async () => (await mayLogin(ground, [operation?.to ?? ''])).length === 1
    await vi.waitFor(async () => expect(await isMade()).toBe(true))
    await (await resumeOperation(successor(ground.parts), operation?.id ?? '', 'quick')).result
    wake()
    await expect(result).rejects.toThrow(/went on with operation/)
    const { user } = await loginOf(ground, 'acme')
    expect(user).toBe(operation?.to)
    expect(await mayLogin(ground, [operation?.from ?? '', user])).toEqual([user])
  })

  it.each([
    [
      'lacks a right',
      'grant truncate on projects to "%a"',
      /b may not do all that .*: TRUNCATE on public\.projects\./,
    ],
    ['has more', 'grant connect on database %elsewhere to "%b"', /has more than .*: CONNECT on elsewhere_/],
  ])('is stopped where the other login %s, and changes nothing', async (_, grant, why) => {
    await using ground = await provisioned(18, 'acme')
    const { database, user } = await loginOf(ground, 'acme')
    const elsewhere = randomName('elsewhere')
    await ground.foreign(randomName('role'), [elsewhere])
    await ground.server.execute(`revoke connect on database ${elsewhere} from public`)
    const stem = user.slice(0, -1)
    await ground.server.execute(grant.replace('%elsewhere', elsewhere).replace(/%(.)/, `${stem}$1`), database)
    await expect(rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')).rejects.toThrow(why)
    expect((await ground.tenant('acme')).epoch).toBe(1)
    await (await ground.connect('acme')).end()
  })

  it('is refused where passwords come from a provider, and where a login is given that is not asked for', async () => {
    await using ground = await provisioned(18, 'acme')
    const given = rotateTenant(ground.parts, 'acme', { dsn: ground.admin.dsn }, 'test')
    await expect(given).rejects.toMatchObject({ code: 'invalid_request' })
    const server = await ground.registry.find('server', 'main')
    if (!server) throw new Error('no server')
    const record = { ...server.record, passwordProvider: 'tokens' }
    const audit = { actor: 'test', action: 'test', target: 'main', at: new Date().toISOString(), detail: {} }
    await ground.registry.commit({ puts: [{ kind: 'server', id: 'main', record }], audit }, [server])
    await expect(rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')).rejects.toThrow(
      /from its provider tokens/,
    )
  })
})
