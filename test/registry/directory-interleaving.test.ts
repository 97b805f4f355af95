import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { Directory } from '../../src/registry/directory.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { ControlledRegistry } from './controlled-registry.ts'
import { startDirectory } from './directory-ground.ts'
import { tenant, tenantKey } from './records.ts'

const acme = parseTenantId('acme')
type Step = 'change' | 'hear' | 'look up' | 'hold answers' | 'release answers'
const step = fc.constantFrom<Step>('change', 'hear', 'look up', 'look up', 'hold answers', 'release answers')

/** Runs the steps; resolves, for every lookup, the revision that it found and the one heard before it. */
async function live(steps: readonly Step[]) {
  await using world = await startDirectory({ patienceMs: 10_000, silenceMs: 60_000 })
  const { registry, directory } = world
  let release = () => {}
  let put = 1
  let heard = 1
  const lookups: Promise<{ found: number; heard: number }>[] = []
  const acts: Record<Step, () => unknown> = {
    change: () => {
      put = registry.put(tenant('acme'))
    },
    hear: async () => {
      const upTo = put
      await registry.heard()
      heard = upTo
    },
    'look up': () => {
      const before = heard
      lookups.push(directory.tenant(acme).then((entry) => ({ found: entry?.revision ?? 0, heard: before })))
    },
    'hold answers': () => {
      release()
      release = registry.holdAnswers()
    },
    'release answers': () => {
      release()
      return new Promise(setImmediate)
    },
  }
  for (const act of steps) await acts[act]()
  release()
  return await Promise.all(lookups)
}

describe('a lookup made after a change was heard', () => {
  it('does not get the answer of a read that began before it', async () => {
    await using world = await startDirectory()
    const release = world.registry.holdAnswers()
    const before = world.directory.tenant(acme)
    world.registry.put(tenant('acme', { status: 'suspended' }))
    await world.registry.heard()
    const after = world.directory.tenant(acme)
    release()
    expect((await before)?.record.status).toBe('active')
    expect((await after)?.record.status).toBe('suspended')
    expect(world.registry.finds).toBe(2)
  })

  it('does not get it either when the change was made by the caller himself, or all must be read again', async () => {
    await using world = await startDirectory()
    const key = tenantKey('01', 'acme')
    world.registry.put(key)
    await world.registry.heard()
    let release = world.registry.holdAnswers()
    const first = world.directory.key(key.id)
    const revokedAt = '2026-01-01T00:00:00.000Z'
    world.registry.mute()
    const revision = world.registry.put({ ...key, record: { ...key.record, revokedAt } })
    world.directory.invalidate({ kind: 'key', id: key.id, revision })
    const second = world.directory.key(key.id)
    release()
    expect([(await first)?.record.revokedAt, (await second)?.record.revokedAt]).toEqual([null, revokedAt])

    release = world.registry.holdAnswers()
    const third = world.directory.tenant(acme)
    world.registry.put(tenant('acme', { status: 'suspended' }))
    world.registry.unmute()
    await world.registry.heard()
    const fourth = world.directory.tenant(acme)
    release()
    expect([(await third)?.record.status, (await fourth)?.record.status]).toEqual(['active', 'suspended'])
  })

  it('reads nothing any more once the directory is closed', async () => {
    await using world = await startDirectory()
    world.registry.mode = 'hanging'
    const before = world.directory.tenant(acme)
    world.directory.invalidate({ kind: 'tenant', id: acme, revision: 2 })
    const after = world.directory.tenant(acme)
    const outcomes = Promise.allSettled([before, after])
    await world.directory.close()
    const refused = { status: 'rejected', reason: { code: 'registry_unavailable' } }
    expect(await outcomes).toMatchObject([refused, refused])
    expect(world.registry.finds).toBe(1)
  })

  it('finds it, however reads, changes and lookups interleave', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
        for (const { found, heard } of await live(steps)) expect(found).toBeGreaterThanOrEqual(heard)
      }),
      { numRuns: 200 },
    )
  })
})

it('changes are followed though whoever is told of faults throws', async () => {
  const registry = new ControlledRegistry()
  registry.put(tenant('acme'))
  const onFault = vi.fn<() => void>(() => {
    throw new Error('the log is full')
  })
  await using directory = new Directory(registry, {}, onFault)
  await registry.heard()
  using _listener = directory.onChange(() => {
    throw new Error('a listener failed')
  })
  await directory.tenant(acme)
  for (const status of ['suspended', 'active'] as const) {
    registry.put(tenant('acme', { status }))
    await registry.heard()
    expect((await directory.tenant(acme))?.record.status).toBe(status)
  }
  expect(onFault).toHaveBeenCalledTimes(2)
})
