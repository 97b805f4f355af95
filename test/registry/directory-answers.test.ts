import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AnswerRefusedError, RegistryUnavailableError } from '../../src/errors.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startDirectory } from './directory-ground.ts'
import { ModelClock } from './model-clock.ts'
import { server, tenant, tenantKey } from './records.ts'

const acme = parseTenantId('acme')
const globex = parseTenantId('globex')

let clock: ModelClock
beforeEach(() => {
  clock = new ModelClock()
})
afterEach(() => clock[Symbol.dispose]())

/** A directory that holds `main`, `acme`, `globex` and `initech`. */
async function startKnowing() {
  const world = await clock.while(startDirectory())
  world.registry.pollMs = 1_000
  for (const put of [server('main'), tenant('globex'), tenant('initech')]) world.registry.put(put)
  await clock.while(world.registry.heard())
  const { directory } = world
  const names = [acme, globex, parseTenantId('initech')]
  await clock.while(Promise.all([directory.server('main'), ...names.map((id) => directory.tenant(id))]))
  return world
}

describe('an answer of the registry that cannot be true', () => {
  it('takes no tenant away when everything is gone and nobody said so: for an hour, reported once', async () => {
    await using world = await startKnowing()
    const { registry, directory } = world
    registry.lie = 'empty'
    registry.mute()
    registry.unmute() // what was missed must be read again
    await clock.while(registry.heard())
    for (let minute = 0; minute < 60; minute++) {
      for (const id of [acme, globex]) expect((await clock.while(directory.tenant(id)))?.record.id).toBe(id)
      await clock.advance(60_000)
    }
    expect(world.faults.map(String)).toEqual([
      expect.stringContaining('the registry lost 3 of 3 records looked for'),
    ])
    expect(directory.stats().refused.vanished).toBeGreaterThan(100)
    expect(await clock.while(directory.tenant(parseTenantId('nobody')))).toBeUndefined()

    registry.lie = 'none'
    registry.put(tenant('acme', { status: 'suspended' }))
    await clock.while(registry.heard())
    await clock.advance(5_000)
    expect((await clock.while(directory.tenant(acme)))?.record.status).toBe('suspended')
    expect((await clock.while(directory.tenant(globex)))?.record.status).toBe('active')
  })

  it('is not the absence of one record while the others are there', async () => {
    await using world = await startKnowing()
    world.registry.mute()
    world.registry.remove('tenant', 'acme')
    world.registry.unmute()
    await clock.while(world.registry.heard())
    expect(await clock.while(world.directory.tenant(acme))).toBeUndefined()
    expect(world.faults).toEqual([])
  })

  it('is not the absence of one record where another cannot be read: that one is there', async () => {
    await using world = await startKnowing()
    world.registry.spoilt.add('tenant globex')
    world.registry.mute()
    world.registry.remove('tenant', 'acme')
    world.registry.unmute()
    await clock.while(world.registry.heard())
    expect(await clock.while(world.directory.tenant(acme))).toBeUndefined()
  })

  it('is everything gone right after the absence of one was believed', async () => {
    await using world = await startKnowing()
    const { registry, directory } = world
    registry.mute()
    registry.remove('tenant', 'acme')
    registry.unmute()
    await clock.while(registry.heard())
    expect(await clock.while(directory.tenant(acme))).toBeUndefined()
    registry.lie = 'empty'
    registry.mute()
    registry.unmute()
    await clock.while(registry.heard())
    expect((await clock.while(directory.tenant(globex)))?.record.id).toBe('globex')
  })

  it('is not an absence that was announced, of however many', async () => {
    await using world = await startKnowing()
    for (const id of ['acme', 'globex', 'initech']) world.registry.remove('tenant', id)
    await clock.while(world.registry.heard())
    for (const id of [acme, globex]) expect(await clock.while(world.directory.tenant(id))).toBeUndefined()
    expect(world.faults).toEqual([])
  })

  it('never replaces a good record; it is reported once, and asked for again once a second', async () => {
    await using world = await startKnowing()
    const { registry, directory } = world
    registry.lie = 'garbage'
    registry.mute()
    registry.unmute()
    await clock.while(registry.heard())
    const finds = registry.finds
    for (let i = 0; i < 300; i++) {
      expect((await clock.while(directory.tenant(acme)))?.record.id).toBe('acme')
      await clock.advance(100)
    }
    expect(registry.finds - finds).toBeLessThanOrEqual(42)
    expect(world.faults.map(String)).toEqual([expect.stringContaining('tenant acme cannot be read')])
    const unknown = parseTenantId('unknown')
    for (let i = 0; i < 10; i++) {
      await expect(clock.while(directory.tenant(unknown))).rejects.toBeInstanceOf(AnswerRefusedError)
    }
    expect(world.faults).toHaveLength(2)
    registry.lie = 'none'
    registry.put(tenant('acme', { status: 'suspended' }))
    await clock.while(registry.heard())
    // What was refused a moment ago is asked for at once when a change of it was heard.
    expect((await clock.while(directory.tenant(acme)))?.record.status).toBe('suspended')
  })

  it('says nothing about others: those that can be read are read', async () => {
    await using world = await startKnowing()
    world.registry.lie = 'garbage'
    for (let i = 0; i < 100; i++) {
      world.directory.tenant(parseTenantId(`t${i}`)).catch(() => {})
    }
    await clock.advance(50)
    world.registry.lie = 'none'
    const asked = performance.now()
    expect(await clock.while(world.directory.key('abcdefghijkl'))).toBeUndefined()
    expect(performance.now() - asked).toBeLessThan(50)
  })

  it('is one of an older generation, and not a lower revision of a newer one', async () => {
    await using world = await startKnowing()
    const { registry, directory } = world
    const again = registry.put(tenant('acme', { generation: 2, status: 'suspended' }))
    await clock.while(registry.heard())
    expect((await clock.while(directory.tenant(acme)))?.revision).toBe(again)
    registry.lag(1)
    directory.invalidate({ kind: 'tenant', id: 'acme', revision: 99 })
    expect((await clock.while(directory.tenant(acme)))?.record.generation).toBe(2)
    expect(directory.stats().refused.older).toBe(1)
    expect(world.faults.map(String)).toEqual([
      expect.stringContaining('answered with revision 1 of tenant acme'),
    ])
    registry.catchUp()
    registry.putBack(tenant('acme', { generation: 3 }), 2)
    directory.invalidate({ kind: 'tenant', id: 'acme', revision: 100 })
    expect(await clock.while(directory.tenant(acme))).toMatchObject({
      revision: 2,
      record: { generation: 3 },
    })
  })
})

it('a first answer that is older than a change heard of before is read again, and so is one that may lag', async () => {
  await using world = await clock.while(startDirectory())
  const { registry, directory } = world
  const statuses = async () => (await clock.while(directory.tenant(acme)))?.record.status
  registry.put(tenant('acme', { status: 'suspended' }))
  registry.lag(1)
  await clock.while(registry.heard())
  expect(await statuses()).toBe('active')
  registry.catchUp()
  await clock.advance(200)
  expect(await statuses()).toBe('suspended')

  registry.isLagSaid = true
  registry.put(tenant('globex', { status: 'suspended' }))
  registry.put(tenant('globex'))
  await clock.while(registry.heard())
  registry.lag(1)
  expect((await clock.while(directory.tenant(globex)))?.record.status).toBe('suspended')
  registry.catchUp()
  await clock.advance(200)
  expect((await clock.while(directory.tenant(globex)))?.record.status).toBe('active')
})

it('an answer that may lag proves nothing: it serves a tenant no longer than none would', async () => {
  await using world = await startKnowing()
  const { registry, directory } = world
  registry.put(tenant('globex', { status: 'suspended' }))
  await clock.while(registry.heard())
  await clock.while(directory.tenant(globex))
  registry.mute()
  registry.put(tenant('acme', { status: 'suspended' }))
  registry.lag(1)
  registry.isLagSaid = true
  await clock.advance(86_300_000)
  expect((await clock.while(directory.tenant(acme)))?.record.status).toBe('active')
  await clock.advance(200_000)
  await expect(clock.while(directory.tenant(acme))).rejects.toBeInstanceOf(RegistryUnavailableError)
  expect((await clock.while(directory.tenant(globex)))?.record.status).toBe('suspended')
})

describe('an outage of an hour', () => {
  // Twice the reads' deadline, and within it but beyond what anyone waits who has something else.
  it.each([
    { mode: 'hanging', slowMs: 0, waitsMs: 5, unknown: 'registry_unavailable' },
    { mode: 'down', slowMs: 0, waitsMs: 5, unknown: 'registry_unavailable' },
    { mode: 'slow', slowMs: 4_000, waitsMs: 5, unknown: 'registry_unavailable' },
    { mode: 'slow', slowMs: 1_500, waitsMs: 255, unknown: undefined },
  ] as const)(
    'fails no lookup of what is known, calls the unknown unavailable, and shows in the staleness: $mode $slowMs',
    async ({ mode, slowMs, waitsMs, unknown }) => {
      await using world = await startKnowing()
      const { registry, directory } = world
      const key = tenantKey('01', 'acme')
      registry.put(key)
      await clock.while(registry.heard())
      await clock.while(directory.key(key.id))
      Object.assign(registry, { mode, slowMs })
      const waits: number[] = []
      for (let second = 0; second < 3_600; second += 5) {
        await clock.advance(5_000)
        const asked = performance.now()
        const found = [directory.tenant(acme), directory.tenant(globex), directory.key(key.id)]
        const ids = (await clock.while(Promise.all(found))).map((entry) => entry?.id)
        expect(ids).toEqual(['acme', 'globex', key.id])
        waits.push(performance.now() - asked)
      }
      expect(Math.max(...waits)).toBeLessThanOrEqual(255)
      // Where nothing is answered in time, only the first ones wait to see whether something is after all.
      expect(Math.max(...waits.slice(10))).toBeLessThanOrEqual(waitsMs)
      expect(directory.stalenessSeconds()).toBeGreaterThan(3_590)
      const asked = performance.now()
      const answer = directory
        .tenant(parseTenantId('nobody'))
        .catch((error: RegistryUnavailableError) => error.code)
      expect(await clock.while(answer)).toBe(unknown)
      expect(performance.now() - asked).toBeLessThanOrEqual(2_005)
      registry.mode = 'up'
      await clock.advance(5_000)
      expect(await clock.while(directory.tenant(parseTenantId('nobody')))).toBeUndefined()
      expect(directory.stalenessSeconds()).toBeLessThanOrEqual(1)
    },
  )
})
