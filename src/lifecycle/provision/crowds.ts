import type { Registry } from '../../registry/registry.ts'

/** For placing: a count of tenants is used again for so long, with those added that this process placed since. */
const HOLDS_MS = 30_000

interface Census {
  readonly at: number
  readonly crowds: Promise<Map<string, number>>
}

const held = new WeakMap<Registry, Census>()

/**
 * How many tenants each server has, whatever their status, but for deleted ones; as of half a minute ago. However many
 * ask at once, they are counted once: some registries read all of them for it.
 */
export function crowdsOf(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const present = held.get(registry)
  if (present !== undefined && performance.now() - present.at < HOLDS_MS) return present.crowds
  const crowds = registry.tenantsByServer().then((counts) => new Map(counts))
  held.set(registry, { at: performance.now(), crowds })
  crowds.catch(() => held.delete(registry))
  return crowds
}

/** In the count that is held: none is taken for it. */
export async function countPlaced(registry: Registry, server: string): Promise<void> {
  const crowds = await held.get(registry)?.crowds.catch(() => undefined)
  crowds?.set(server, (crowds.get(server) ?? 0) + 1)
}
