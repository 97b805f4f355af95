import { inspect } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { CancelledError, RegistryUnavailableError } from '../../src/errors.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { startDirectory } from './directory-ground.ts'
import { alias, server, tenant, tenantKey } from './records.ts'

const acme = parseTenantId('acme')
const seen = { timeout: 2_000, interval: 5 }

describe('a directory', () => {
  it('reads once for a thousand who ask at the same time, and not at all afterwards', async () => {
    await using world = await startDirectory()
    const found = await Promise.all(Array.from({ length: 1_000 }, () => world.directory.tenant(acme)))
    expect(new Set(found.map((entry) => entry?.record.id))).toEqual(new Set(['acme']))
    expect(world.registry.finds).toBe(1)
    await world.directory.tenant(acme)
    expect(world.registry.finds).toBe(1)
    expect(world.directory.stats()).toMatchObject({ reads: 1, hits: 1, records: 1, absences: 0 })
  })

  it('lets one caller go without ending the read that others wait for', async () => {
    await using world = await startDirectory()
    const release = world.registry.holdAnswers()
    const abort = new AbortController()
    const gone = world.directory.tenant(acme, abort.signal)
    const patient = world.directory.tenant(acme)
    abort.abort()
    await expect(gone).rejects.toBeInstanceOf(CancelledError)
    release()
    expect((await patient)?.record.id).toBe('acme')
    expect(world.registry.finds).toBe(1)
  })

  it('keeps absence in mind, until it hears that there is something', async () => {
    await using world = await startDirectory()
    const globex = parseTenantId('globex')
    expect(await world.directory.tenant(globex)).toBeUndefined()
    expect(await world.directory.tenant(globex)).toBeUndefined()
    expect(world.registry.finds).toBe(1)
    world.registry.put(tenant('globex'))
    await world.registry.heard()
    expect((await world.directory.tenant(globex))?.record.id).toBe('globex')
  })

  it('reads an absence again after its time, also when it hears nothing', async () => {
    await using world = await startDirectory({ absenceMs: 1 })
    const globex = parseTenantId('globex')
    await world.directory.tenant(globex)
    await vi.waitFor(async () => {
      await world.directory.tenant(globex)
      expect(world.registry.finds).toBe(2)
    }, seen)
  })

  it('answers with the newest after each change it hears', async () => {
    await using world = await startDirectory()
    await world.directory.tenant(acme)
    for (const status of ['suspended', 'active', 'deleted'] as const) {
      world.registry.put(tenant('acme', { status }))
      await world.registry.heard()
      expect((await world.directory.tenant(acme))?.record.status).toBe(status)
    }
    world.registry.remove('tenant', 'acme')
    await world.registry.heard()
    expect(await world.directory.tenant(acme)).toBeUndefined()
  })

  it('follows an alias to its tenant, and away from it', async () => {
    await using world = await startDirectory()
    world.registry.put(tenant('globex'))
    world.registry.put(alias('hostname', 'a.example', 'acme'))
    expect((await world.directory.tenantByAlias('hostname', 'a.example'))?.record.id).toBe('acme')
    expect(await world.directory.tenantByAlias('external', 'a.example')).toBeUndefined()
    world.registry.put(alias('hostname', 'a.example', 'globex'))
    await world.registry.heard()
    expect((await world.directory.tenantByAlias('hostname', 'a.example'))?.record.id).toBe('globex')
  })

  it('does not hold for fresh what was read before a change and answered after it', async () => {
    await using world = await startDirectory()
    const release = world.registry.holdAnswers()
    const early = world.directory.tenant(acme)
    const suspended = world.registry.put(tenant('acme', { status: 'suspended' }))
    await world.registry.heard()
    release()
    await early
    expect((await world.directory.tenant(acme))?.revision).toBe(suspended)
  })

  it('never takes an older revision for a newer one', async () => {
    await using world = await startDirectory()
    world.registry.put(tenant('acme', { status: 'suspended' }))
    await world.registry.heard()
    expect((await world.directory.tenant(acme))?.record.status).toBe('suspended')
    world.registry.lag(1)
    world.directory.invalidate({ kind: 'tenant', id: 'acme', revision: 99 })
    expect((await world.directory.tenant(acme))?.record.status).toBe('suspended')
    expect(world.registry.answers.map((entry) => entry?.revision)).toEqual([2, 1])
  })

  it('does not take a tenant for alive again that it knows to be removed', async () => {
    await using world = await startDirectory()
    await world.directory.tenant(acme)
    world.registry.remove('tenant', 'acme')
    await world.registry.heard()
    expect(await world.directory.tenant(acme)).toBeUndefined()
    world.registry.lag(1)
    world.directory.invalidate({ kind: 'tenant', id: 'acme', revision: 99 })
    await expect(world.directory.tenant(acme)).rejects.toBeInstanceOf(RegistryUnavailableError)
  })

  it('reads everything again after it may have missed changes', async () => {
    await using world = await startDirectory()
    world.registry.put(server('main'))
    world.registry.put(tenantKey('abcdefghijkl', 'acme'))
    await world.registry.heard()
    const { directory, registry } = world
    const all = () =>
      Promise.all([directory.tenant(acme), directory.server('main'), directory.key('abcdefghijkl')])
    await all()
    registry.mute()
    registry.put(server('main', { labels: { tier: 'gold' } }))
    registry.unmute()
    await registry.heard()
    expect((await all())[1]?.record.labels).toEqual({ tier: 'gold' })
    expect(registry.finds).toBe(6)
  })

  it('reads what it holds again while the registry is silent', async () => {
    await using world = await startDirectory({ silenceMs: 1 })
    await world.directory.tenant(acme)
    world.registry.mute()
    const suspended = world.registry.put(tenant('acme', { status: 'suspended' }))
    await vi.waitFor(async () => expect((await world.directory.tenant(acme))?.revision).toBe(suspended), seen)
  })

  it('reads at once what the caller says it changed itself', async () => {
    await using world = await startDirectory()
    await world.directory.tenant(acme)
    world.registry.mute()
    const revision = world.registry.put(tenant('acme', { status: 'suspended' }))
    world.directory.invalidate({ kind: 'tenant', id: 'acme', revision })
    expect((await world.directory.tenant(acme))?.record.status).toBe('suspended')
  })

  it('holds no more records and no more absences than it may', async () => {
    await using world = await startDirectory({ maxRecords: 10, maxAbsences: 5 })
    for (let i = 0; i < 50; i++) world.registry.put(tenant(`t${i}`))
    await world.registry.heard()
    const names = Array.from({ length: 50 }, (_, i) => [
      parseTenantId(`t${i}`),
      parseTenantId(`absent${i}`),
    ]).flat()
    const found = await Promise.all(names.map((id) => world.directory.tenant(id)))
    expect(found.filter((entry) => entry !== undefined)).toHaveLength(50)
    expect(world.directory.stats()).toMatchObject({ records: 10, absences: 5 })
  })
})

describe('listeners of a directory', () => {
  it('hear each change when lookups already know of it, until they are disposed', async () => {
    await using world = await startDirectory()
    await world.directory.tenant(acme)
    const heard: string[] = []
    const lookups: Promise<unknown>[] = []
    const listening = world.directory.onChange((change) => {
      heard.push(change === 'reset' ? change : `${change.kind} ${change.id}`)
      lookups.push(world.directory.tenant(acme).then((entry) => entry?.record.status))
    })
    world.registry.put(tenant('acme', { status: 'suspended' }))
    await world.registry.heard()
    expect(await Promise.all(lookups)).toEqual(['suspended'])
    listening[Symbol.dispose]()
    world.registry.put(tenant('acme'))
    await world.registry.heard()
    expect(heard).toEqual(['tenant acme'])
  })

  it('do not disturb each other when one throws', async () => {
    await using world = await startDirectory()
    let heard = 0
    world.directory.onChange(() => {
      throw new Error('a listener failed')
    })
    world.directory.onChange(() => heard++)
    world.registry.put(tenant('globex'))
    await world.registry.heard()
    expect(heard).toBe(1)
    expect(inspect(world.faults)).toContain('a listener failed')
  })
})

describe('closing a directory', () => {
  it('ends reads under way and refuses lookups, and may be repeated', async () => {
    const { directory, registry } = await startDirectory({ readTimeoutMs: 60_000 })
    registry.mode = 'hanging'
    const reading = directory.tenant(acme)
    reading.catch(() => {}) // asserted below
    await directory.close()
    await expect(reading).rejects.toBeInstanceOf(RegistryUnavailableError)
    await directory.close()
    await expect(directory.tenant(acme)).rejects.toBeInstanceOf(RegistryUnavailableError)
  })
})
