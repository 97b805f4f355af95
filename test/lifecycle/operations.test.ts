import { describe, expect, it, vi } from 'vitest'
import { InternalError, RegistryUnavailableError } from '../../src/errors.ts'
import { listOperations, showOperation } from '../../src/lifecycle/operation/list-operations.ts'
import { Operation } from '../../src/lifecycle/operation/operation.ts'
import { Recovery } from '../../src/lifecycle/operation/recovery.ts'
import { resumeOperation } from '../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant, startProvisioning } from '../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../src/lifecycle/provision/spare/make-spares.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { LifecycleGround } from './ground.ts'
import { afterCommit, firstOf, lagging } from './meanwhile.ts'

const HOLD_MS = 1_000

/** A registry that takes no more commits once it is frozen, as to a process that was stopped; reads go on. */
function freezable(registry: Registry): { readonly registry: Registry; readonly freeze: () => void } {
  let isFrozen = false
  const frozen = new Proxy(registry, {
    get(target, name) {
      if (name === 'commit' && isFrozen)
        return () => Promise.reject(new RegistryUnavailableError('this process is frozen'))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { registry: frozen, freeze: () => (isFrozen = true) }
}

/** Parts of a process that stops dead after the step: nothing of it is heard of any more. */
function dyingAfter(parts: LifecycleParts, step: string): LifecycleParts {
  const { registry, freeze } = freezable(parts.registry)
  const onStep = ({ name }: { name: string }) => {
    if (name !== step) return
    freeze()
    throw new InternalError('the process is gone')
  }
  return { ...parts, registry, onStep, holdMs: HOLD_MS }
}

async function abandoned(
  ground: LifecycleGround,
  step: string,
  id = 'acme',
  schema?: string,
): Promise<string> {
  const parts = dyingAfter(ground.parts, step)
  const { operation, result } = await startProvisioning(parts, { id, schema }, 'test')
  await expect(result).rejects.toThrow('the process is gone')
  return operation?.id ?? ''
}

const until = async (ground: LifecycleGround, id: string, state: string) =>
  vi.waitFor(async () => expect(await showOperation(ground.registry, id)).toMatchObject({ state }), 15_000)

describe('an operation', () => {
  it('tells who began it, how far it is and how it ended', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const seen: unknown[] = []
    const parts = {
      ...ground.parts,
      onProgress: ({ stepsDone }: { stepsDone: unknown }) => seen.push(stepsDone),
    }
    await provisionTenant(parts, { id: 'acme' }, 'carol')
    const { operations } = await listOperations(ground.registry, { tenant: 'acme' })
    expect(operations).toEqual([
      expect.objectContaining({
        kind: 'provision',
        tenant: 'acme',
        to: 'main',
        state: 'done',
        actor: 'carol',
      }),
    ])
    expect(seen.at(0)).toEqual([])
    expect(seen.at(-1)).toEqual(operations[0]?.stepsDone)
    expect(seen.at(-1)).toEqual(expect.arrayContaining(['roles', 'database', 'open', 'furnish']))
    expect((await ground.tenant('acme')).operation).toBeNull()
  })

  it('of a process that lives keeps others off, and is told by its id', async () => {
    await using ground = await LifecycleGround.withServer(18)
    let go: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const parts = { ...ground.parts, onStep: () => gate, holdMs: HOLD_MS }
    const { operation, result } = await startProvisioning(parts, { id: 'acme' }, 'test')
    const id = operation?.id ?? ''
    // Longer than it would be held without being renewed.
    await vi.waitFor(async () => {
      const { record } = (await ground.registry.find('operation', id)) ?? {}
      expect(Date.parse(record?.holder?.until ?? '')).toBeGreaterThan(
        Date.parse(record?.startedAt ?? '') + 1.5 * HOLD_MS,
      )
    }, 10_000)
    const refused = { code: 'precondition_failed', message: expect.stringContaining(id) }
    await expect(provisionTenant(ground.parts, { id: 'acme' }, 'test')).rejects.toMatchObject(refused)
    await expect(resumeOperation(ground.parts, id, 'test')).rejects.toMatchObject(refused)
    go()
    expect((await result).created).toBe(true)
  })

  it('of a process that is gone is gone on with when it was not heard of for a while', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const id = await abandoned(ground, 'database')
    await until(ground, id, 'abandoned')
    const { result } = await resumeOperation(ground.parts, id, 'test')
    await result
    expect(await showOperation(ground.registry, id)).toMatchObject({ state: 'done', error: null })
    expect((await ground.tenant('acme')).status).toBe('active')
  })

  it('stops in the process that had it, once another went on with it', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const parts = { ...ground.parts, holdMs: HOLD_MS }
    await using slow = await Operation.begin(parts, { kind: 'import' }, 'slow')
    const entry = await ground.registry.find('operation', slow.record.id)
    if (!entry) throw new Error('the operation is not on record')
    await using quick = await Operation.take({ ...parts, isAlone: true }, entry, 'quick')
    await expect(slow.noteStep('one')).rejects.toThrow(/went on with operation/)
    await quick.done()
    expect(await showOperation(ground.registry, slow.record.id)).toMatchObject({
      state: 'done',
      stepsDone: [],
    })
  })

  it('goes on where the registry took a change and its answer was lost, and takes back no end', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const lost = () => Promise.reject(new RegistryUnavailableError('no answer'))
    const parts = ['one', 'done'].reduce(
      (before, what) => afterCommit(before, firstOf(`fleet.import.${what}`), lost),
      ground.parts,
    )
    await using operation = await Operation.begin(parts, { kind: 'import' }, 'test')
    await expect(operation.keep({ to: 'one' }, 'one')).rejects.toMatchObject({ code: 'registry_unavailable' })
    await operation.noteStep('two')
    expect(operation.record).toMatchObject({ to: 'one', stepsDone: ['two'] })
    await expect(operation.done()).rejects.toMatchObject({ code: 'registry_unavailable' })
    await operation.fail(new RegistryUnavailableError('no answer'))
    expect(await showOperation(ground.registry, operation.record.id)).toMatchObject({
      state: 'done',
      to: 'one',
      stepsDone: ['two'],
    })
  })

  it('does not lose what others change in its tenant meanwhile', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const tenant = await ground.registry.find('tenant', 'acme')
    if (!tenant) throw new Error('no tenant')
    await using operation = await Operation.begin(ground.parts, { kind: 'rotate', tenant }, 'test')
    const present = await ground.registry.find('tenant', 'acme')
    if (!present) throw new Error('no tenant')
    const record = { ...present.record, labels: { plan: 'pro' } }
    const audit = { actor: 'test', action: 'test', target: 'acme', at: new Date().toISOString(), detail: {} }
    await ground.registry.commit({ puts: [{ kind: 'tenant', id: 'acme', record }], audit }, [present])
    await operation.done({}, { tenant: ({ epoch }) => ({ epoch: epoch + 1 }) })
    expect(await ground.tenant('acme')).toMatchObject({ labels: { plan: 'pro' }, epoch: 2, operation: null })
  })

  it('is not begun for a tenant that another one has', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const id = await abandoned(ground, 'roles')
    const tenant = await ground.registry.find('tenant', 'acme')
    if (!tenant) throw new Error('no tenant')
    await expect(Operation.begin(ground.parts, { kind: 'rotate', tenant }, 'test')).rejects.toThrow(id)
  })
})

describe('recovery', () => {
  it('goes on with what processes that are gone left, as they would have, and leaves alone what failed', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const schema = "create table projects (name text); insert into projects values ('one')"
    const left = await abandoned(ground, 'furnish', 'acme', schema)
    const broken = provisionTenant(
      ground.parts,
      { id: 'globex', schema: 'create table x (y nonsense)' },
      'test',
    )
    await expect(broken).rejects.toMatchObject({ code: 'precondition_failed' })
    await until(ground, left, 'abandoned')
    const recovered: unknown[] = []
    using _recovery = new Recovery(
      { ...ground.parts, holdMs: HOLD_MS },
      {
        recovered: (...what) => recovered.push(what),
        lookFailed: (error) => recovered.push(error),
        run: (work) => work(),
      },
      100,
    )
    await until(ground, left, 'done')
    await vi.waitFor(() => expect(recovered).toEqual([[left, 'provision', undefined]]), 10_000)
    const client = await ground.connect('acme')
    expect((await client.query('select name from projects')).rows).toEqual([{ name: 'one' }])
    await client.end()
    expect((await ground.tenant('globex')).status).toBe('failed')
  })

  it('goes on with what one tenant waits for while it is at something of many tenants', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const dying = dyingAfter(ground.parts, 'spare')
    const spares = await startSpares(dying, 'main', { count: 1 }, 'test')
    await expect(spares.result).rejects.toThrow('the process is gone')
    const ofMany = spares.operation?.id ?? ''
    const steps: string[] = []
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    const onStep = ({ name }: { name: string }) => {
      steps.push(name)
      return name === 'spare' ? held : undefined
    }
    const told: unknown[] = []
    const listener = {
      recovered: (...what: unknown[]) => told.push(what),
      lookFailed: (error: unknown) => told.push(error),
      run: (work: () => Promise<void>) => work(),
    }
    using _recovery = new Recovery({ ...ground.parts, holdMs: HOLD_MS, onStep }, listener, 50)
    await vi.waitFor(() => expect(steps).toEqual(['spare']), 10_000)
    const ofOne = await abandoned(ground, 'roles')
    await until(ground, ofOne, 'done')
    release()
    await until(ground, ofMany, 'done')
    await vi.waitFor(() => expect(told).toHaveLength(2))
    expect(told).toEqual([
      [ofOne, 'provision', undefined],
      [ofMany, 'spare', undefined],
    ])
  })

  it('leaves alone whoever says that it is still there, though its clock is an hour behind', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const renewals: unknown[] = []
    const parts = lagging({ ...ground.parts, holdMs: 1_500, onProgress: (view) => renewals.push(view) })
    await using operation = await Operation.begin(parts, { kind: 'import' }, 'test')
    expect(operation.view.state).toBe('running')
    const recovered: unknown[] = []
    const listener = {
      recovered: (...what: unknown[]) => recovered.push(what),
      lookFailed: (error: unknown) => recovered.push(error),
      run: (work: () => Promise<void>) => work(),
    }
    using _recovery = new Recovery({ ...ground.parts, holdMs: 1_500 }, listener, 50)
    await vi.waitFor(() => expect(renewals.length).toBeGreaterThan(2), 10_000)
    await operation.done()
    expect(recovered).toEqual([])
  })

  it('tells once of what it cannot go on with, and not at every look', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const left = await Operation.begin({ ...ground.parts, holdMs: 1 }, { kind: 'drain' }, 'test')
    await left[Symbol.asyncDispose]()
    const told: unknown[] = []
    let looks = 0
    const listener = {
      recovered: (operation: string, kind: string) => told.push([operation, kind]),
      lookFailed: (error: unknown) => told.push(error),
      run: async (work: () => Promise<void>) => {
        await work()
        looks += 1
      },
    }
    using _recovery = new Recovery({ ...ground.parts, holdMs: 1 }, listener, 10)
    await vi.waitFor(() => expect(told).toHaveLength(1), 10_000)
    const then = looks
    await vi.waitFor(() => expect(looks).toBeGreaterThan(then + 3), 10_000)
    expect(told).toEqual([[left.record.id, 'drain']])
  })
})
