import fc from 'fast-check'
import { createCache, type TenantCaches } from '../../src/scope/cache.ts'
import type { ScopeGround } from './scope-ground.ts'

const TENANTS = ['acme', 'globex', 'initech']
const KEYS = ['k', 'k:', 'acme', 'globex', '']

/** What is done to the tenant's cache, or behind its back. */
const VERBS = ['set', 'load', 'get', 'delete', 'flush', 'lose-version', 'plant', 'remake', 'move'] as const
type Verb = (typeof VERBS)[number]

/** How often, of a hundred; the rest is `get`. */
const SHARES: readonly [Verb, number][] = [
  ['set', 30],
  ['load', 15],
  ['delete', 6],
  ['flush', 3],
  ['lose-version', 2],
  ['plant', 5],
]

interface Step {
  readonly verb: Verb
  readonly tenant: string
  readonly key: string
  readonly process: number
}

/**
 * Random use of three tenants' caches by two processes, one step after the other, against a model: each read must
 * give exactly what the tenant itself wrote there last, if nothing has made that void.
 * @param changes how many times among them a tenant is made anew or moved.
 * @throws where something else is read.
 */
export async function checkCache(
  ground: ScopeGround,
  steps: number,
  changes: number,
  seed: number,
): Promise<void> {
  const { redis, router } = { redis: ground.redis, router: ground.world.router }
  const caches: [TenantCaches, TenantCaches] = [
    createCache({ redis, router }),
    createCache({ redis, router }),
  ]
  const model = new Map<string, Map<string, string>>(TENANTS.map((tenant) => [tenant, new Map()]))
  for (const [at, step] of randomSteps(steps, changes, seed).entries()) {
    const own = model.get(step.tenant) ?? new Map<string, string>()
    const read = await take(ground, caches[step.process % 2] ?? caches[0], own, step, `${step.tenant} ${at}`)
    if (read !== undefined && read.found !== read.wanted)
      throw new Error(`step ${at} of seed ${seed}: ${JSON.stringify({ ...step, ...read })}`)
  }
}

function randomSteps(steps: number, changes: number, seed: number): Step[] {
  const verb = fc.oneof(...SHARES.map(([value, weight]) => ({ arbitrary: fc.constant(value), weight })), {
    arbitrary: fc.constant<Verb>('get'),
    weight: 39,
  })
  const step = fc.record({
    verb,
    tenant: fc.constantFrom(...TENANTS),
    key: fc.constantFrom(...KEYS),
    process: fc.nat(1),
  })
  const every = Math.floor(steps / (changes + 1))
  return fc.sample(step, { numRuns: steps, seed }).map((one, at) => {
    const isChange = at > 0 && at % every === 0
    return isChange ? { ...one, verb: at % (2 * every) === 0 ? 'remake' : 'move' } : one
  })
}

/** @returns what was read, and what the model says. */
async function take(
  ground: ScopeGround,
  caches: TenantCaches,
  own: Map<string, string>,
  { verb, tenant, key }: Step,
  value: string,
): Promise<{ found: unknown; wanted: string | undefined } | undefined> {
  const cache = caches.forTenant(tenant)
  switch (verb) {
    case 'get':
      return { found: await cache.get(key), wanted: own.get(key) }
    case 'load': {
      const wanted = own.get(key) ?? value
      own.set(key, wanted)
      return { found: await cache.getOrLoad(key, {}, () => value), wanted }
    }
    case 'set':
      own.set(key, value)
      await cache.set(key, value)
      return undefined
    case 'delete':
      own.delete(key)
      await cache.delete(key)
      return undefined
    case 'plant':
    case 'flush':
    case 'lose-version':
    case 'remake':
    case 'move':
      own.clear()
      await voidAll(ground, caches, verb, tenant)
      return undefined
  }
}

async function voidAll(ground: ScopeGround, caches: TenantCaches, verb: Verb, tenant: string): Promise<void> {
  if (verb === 'plant') await plant(ground, caches, tenant)
  if (verb === 'flush') await caches.forTenant(tenant).flush()
  if (verb === 'remake') await ground.remake(tenant)
  if (verb === 'move') await ground.raiseEpoch(tenant)
  if (verb === 'lose-version') {
    const versions = (await keysOf(ground, tenant)).filter((name) => name.endsWith(':version'))
    if (versions.length > 0) await ground.redis.call('del', ...versions)
  }
}

/** Copies what another tenant has over all that this one has: none of it may count. */
async function plant(ground: ScopeGround, caches: TenantCaches, tenant: string): Promise<void> {
  const entries = await entriesOf(ground, tenant)
  const other = TENANTS.find((one) => one !== tenant) ?? ''
  const before = new Set(await entriesOf(ground, other))
  await caches.forTenant(other).set(['planted', crypto.randomUUID()], 'foreign')
  const [source = ''] = (await entriesOf(ground, other)).filter((name) => !before.has(name))
  for (const entry of entries) await ground.redis.call('copy', source, entry, 'replace')
  await ground.redis.call('del', source) // or what was planted would come back to its owner as something old
}

async function entriesOf(ground: ScopeGround, tenant: string): Promise<string[]> {
  return (await keysOf(ground, tenant)).filter((name) => !name.endsWith(':version'))
}

async function keysOf(ground: ScopeGround, tenant: string): Promise<string[]> {
  const keys = await ground.redis.call('keys', `*{${tenant}.*`)
  return Array.isArray(keys) ? keys.map(String) : []
}
