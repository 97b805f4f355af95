import type { Registry } from '../../registry/registry.ts'

/** For placing: a count of tenants is used again for so long, with those added that this process placed since. */
const HOLDS_MS = 30_000

interface Census {
  readonly at: number
  readonly crowds: Map<string, number>
}

const held = new WeakMap<Registry, Promise<Census>>()

/** Tenants on a server, whatever their status, but for deleted ones; as of half a minute ago. */
export async function crowdOf(registry: Registry, server: string): Promise<number> {
  return (await censusOf(registry)).crowds.get(server) ?? 0
}

export async function countPlaced(registry: Registry, server: string): Promise<void> {
  const { crowds } = await censusOf(registry)
  crowds.set(server, (crowds.get(server) ?? 0) + 1)
}

async function censusOf(registry: Registry): Promise<Census> {
  const present = await held.get(registry)?.catch(() => undefined)
  if (present !== undefined && performance.now() - present.at < HOLDS_MS) return present
  const taken = takeCensus(registry)
  held.set(registry, taken)
  return taken
}

async function takeCensus(registry: Registry): Promise<Census> {
  const at = performance.now()
  return { at, crowds: new Map(await registry.tenantsByServer()) }
}
