import { setTimeout as pause } from 'node:timers/promises'
import { expect, vi } from 'vitest'
import type { ServiceWorld } from '../http/service-world.ts'
import type { FaultMode } from '../support/fault-proxy.ts'
import { startRegistryService } from './registry-service.ts'

type Ground = Awaited<ReturnType<typeof startRegistryService>>

/** The deadline of the directory's reads, and the margin of every deadline. */
const UNKNOWN_MS = 3_000
const healed = { timeout: 5_000, interval: 20 }
const ASK_EVERY_MS = 20
/** Slower than any deadline of the registry's calls. */
const SLOW_MS = 6_000

/** How the registry goes away: in `refuse`, what was connected is cut first. */
const OUTAGES: Record<string, readonly FaultMode[]> = {
  refused: ['reset', 'refuse'],
  'a black hole': ['black-hole'],
  slow: ['slow'],
}
export type Outage = keyof typeof OUTAGES

/**
 * A running service whose registry goes away for `seconds`: known tenants are served without an error, unknown ones get 503
 * and never 404, and each scrape shows a greater staleness than the one before, until the registry is back.
 * @returns what was asked of known tenants, and the longest that one took.
 */
export async function outlastsOutage(
  outage: Outage,
  seconds: number,
): Promise<{ asked: number; longestMs: number }> {
  const ground = await startRegistryService()
  await using world = await ground.serve()
  const { key } = await world.tenant('acme')
  const ask = (of: string) => world.ask('/v1/query', { key: of, body: { sql: 'select 1 as one' } })
  expect((await ask(key)).status).toBe(200)
  await vi.waitFor(async () => expect(await staleness(world)).toBeLessThan(1.5), healed)

  for (const mode of OUTAGES[outage] ?? []) await ground.proxy.setMode(mode, { latencyMs: SLOW_MS })
  const until = performance.now() + seconds * 1_000
  const tally = { asked: 0, longestMs: 0 }
  const strangers: Promise<void>[] = []
  const scrapes = [await staleness(world)]
  let nextScrape = performance.now() + 1_000
  let nextStranger = performance.now()
  while (performance.now() < until) {
    const began = performance.now()
    const { status, json } = await ask(key)
    expect([status, json.rows]).toEqual([200, [{ one: 1 }]])
    tally.asked++
    tally.longestMs = Math.max(tally.longestMs, performance.now() - began)
    if (performance.now() >= nextStranger) {
      nextStranger = performance.now() + 5_000
      strangers.push(refusesStranger(world, strangers.length))
    }
    if (performance.now() >= nextScrape) {
      nextScrape += 1_000
      scrapes.push(await staleness(world))
    }
    await pause(ASK_EVERY_MS)
  }
  await Promise.all(strangers)
  scrapes.push(await staleness(world))
  expectRising(scrapes, seconds)
  await heals(ground, world)
  return tally
}

async function staleness(world: ServiceWorld): Promise<number> {
  const { text } = await world.operate('/metrics')
  return Number(/^tenantry_registry_staleness_seconds (\S+)$/m.exec(text)?.[1])
}

async function refusesStranger(world: ServiceWorld, n: number): Promise<void> {
  const key = `tk_${String(n).padStart(12, 'a')}_${'A'.repeat(43)}`
  const began = performance.now()
  const { status, json } = await world.ask('/v1/query', { key, body: { sql: 'select 1' } })
  expect([status, json.code]).toEqual([503, 'registry_unavailable'])
  expect(performance.now() - began).toBeLessThan(UNKNOWN_MS)
}

function expectRising(scrapes: readonly number[], seconds: number): void {
  for (const [i, scrape] of scrapes.slice(1).entries()) expect(scrape).toBeGreaterThan(scrapes[i] ?? 0)
  const [first = 0, last = 0] = [scrapes[0], scrapes.at(-1)]
  expect(last - first).toBeGreaterThan(seconds * 0.9)
}

async function heals(ground: Ground, world: ServiceWorld): Promise<void> {
  await ground.proxy.setMode('pass')
  const began = performance.now()
  await vi.waitFor(async () => {
    expect(await staleness(world)).toBeLessThan(1.5)
    const { status } = await world.operate('/v1/tenants/acme/suspend', { method: 'POST' })
    expect(status).toBe(200)
  }, healed)
  expect(performance.now() - began).toBeLessThan(5_000)
}
