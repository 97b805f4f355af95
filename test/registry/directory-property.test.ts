import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { Directory } from '../../src/registry/directory.ts'
import type { Entry } from '../../src/registry/registry.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { ControlledRegistry } from './controlled-registry.ts'
import { server, tenant } from './records.ts'

const acme = parseTenantId('acme')
const step = fc.constantFrom(
  'activate',
  'suspend',
  'remove',
  'look up',
  'look up',
  'look up',
  'look up twice',
  'go down',
  'come up',
  'fall behind',
  'fall far behind',
  'catch up',
  'go mute',
  'speak again',
  'hear',
) // prettier-ignore
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

interface Lookup {
  readonly answer: Entry | undefined | 'unavailable'
  /** What the registry had answered until then. */
  readonly read: readonly (Entry | undefined)[]
}
type Found = Lookup & { readonly answer: Entry }

/** Runs the steps and records every lookup. */
async function live(steps: readonly Step[]) {
  const registry = new ControlledRegistry()
  registry.put(server('main'))
  // So short that every lookup must ask as soon as anything is silent or stale.
  const directory = new Directory(registry, { patienceMs: 0, silenceMs: 1, absenceMs: 1, readTimeoutMs: 50 })
  const lookups: Lookup[] = []
  const lookUp = async () => {
    const answer = await directory.tenant(acme).catch((error: unknown) => {
      if (error instanceof RegistryUnavailableError) return 'unavailable' as const
      throw error
    })
    lookups.push({ answer, read: [...registry.answers] })
  }
  const acts: Record<Step, () => unknown> = {
    activate: () => registry.put(tenant('acme')),
    suspend: () => registry.put(tenant('acme', { status: 'suspended' })),
    remove: () => registry.remove('tenant', 'acme'),
    'look up': lookUp,
    'look up twice': () => Promise.all([lookUp(), lookUp()]),
    'go down': () => (registry.mode = 'down'),
    'come up': () => (registry.mode = 'up'),
    'fall behind': () => registry.lag(1),
    'fall far behind': () => registry.lag(3),
    'catch up': () => registry.catchUp(),
    'go mute': () => registry.mute(),
    'speak again': () => registry.unmute(),
    hear: () => new Promise(setImmediate),
  }
  for (const act of steps) await acts[act]()
  registry.mode = 'up'
  registry.catchUp()
  registry.unmute()
  await registry.heard()
  const truth = await registry.find('tenant', 'acme')
  // Within the moment that an absence is held for, an answer of the lagging registry may still be there.
  await vi.waitFor(async () => expect(await directory.tenant(acme)).toEqual(truth), { interval: 1 })
  await directory.close()
  return lookups
}

it('a directory never goes back, never activates unread, and ends up with the truth', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const lookups = await live(steps)
      const found = lookups.filter((lookup): lookup is Found => lookup.answer instanceof Object)
      const revisions = found.map(({ answer }) => answer.revision)
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
      // Whatever is answered was once read: in particular an active status after a suspended one.
      for (const { answer, read } of found) expect(read).toContainEqual(answer)
    }),
    { numRuns: 150 },
  )
})
