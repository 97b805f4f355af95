import { expect, it } from 'vitest'
import { type Disturbances, Disturber, dropSecondLogins } from '../../router/crossing/disturber.ts'
import { ledgersOf } from '../../router/crossing/ledgers.ts'
import { Tally } from '../../router/crossing/tally.ts'
import { type HttpWorld, startHttpWorld } from '../http-world.ts'
import { CrossingGround } from './crossing-ground.ts'
import { anyRequest, tooRare } from './request-mix.ts'
import { DisturbedError, type Terms } from './request-work.ts'

const TENANTS = 64
const WORKERS = 32
const BUDGET = 16
/** Most requests are of a few tenants, which change as the run goes on; the others are of any. */
const HOT = 5
const HOT_SHARE = 0.97
const REQUESTS_BEFORE_THE_NEXT = 120
const ACQUIRE_MS = 10_000

interface CrossingTerms extends Disturbances {
  readonly requests: number
}

/** Random requests to a real port, while backends are ended and logins rotated. */
export function describeCrossing(terms: CrossingTerms): void {
  const { requests } = terms
  it(`answers ${requests.toLocaleString('en')} random requests of 64 tenants over HTTP and /sql, each with its own and nothing else`, async () => {
    const tenants = Array.from({ length: TENANTS }, (_, n) => `tenant-${n + 1}`)
    const http = await startHttpWorld(tenants, {
      world: { maxConnections: BUDGET, serverBudget: BUDGET, acquireTimeoutMs: ACQUIRE_MS },
    })
    try {
      const { tally, disturber, ledgers } = await runUnder(http, terms)
      expect(tally.violations).toEqual([])
      expect(tally.operations).toBeGreaterThanOrEqual(requests)
      // They come by the clock; a run without them shows nothing.
      expect(disturber.kills).toBeGreaterThan(0)
      expect(disturber.rotations).toBeGreaterThan(0)
      expect(tally.disturbed).toBeLessThanOrEqual(disturber.kills)
      expect(tooRare(tally.byKind, tally.operations)).toEqual([])
      expect(linesOfTwo(http)).toEqual([])
      for (const [tenant, { own, other }] of ledgers) {
        const committed = tally.committed.get(tenant) ?? 0
        expect(other).toBe(0)
        expect(own).toBeGreaterThanOrEqual(committed)
        expect(own).toBeLessThanOrEqual(committed + (tally.unknown.get(tenant) ?? 0))
      }
    } finally {
      await http[Symbol.asyncDispose]()
      await dropSecondLogins(http.world)
    }
  }, 1_800_000)
}

async function runUnder(http: HttpWorld, terms: CrossingTerms) {
  const tally = new Tally()
  let logins = 0
  http.world.router.on('opened', () => logins++)
  const disturber = await Disturber.start(http.world, terms)
  const startedAt = performance.now()
  const cpu = process.cpuUsage()
  try {
    await runIn(http, terms.requests, tally)
  } finally {
    await disturber.end()
  }
  const { user, system } = process.cpuUsage(cpu)
  const figures = {
    requests: tally.operations,
    /** Of this process: service and clients together. */
    cpuSeconds: Math.round((user + system) / 100_000) / 10,
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
    logins,
    kills: disturber.kills,
    rotations: disturber.rotations,
    disturbed: tally.disturbed,
    refused: tally.refused,
    slowestMs: Math.round(tally.slowestMs),
    byKind: Object.fromEntries(tally.byKind),
  }
  process.stdout.write(`crossing over HTTP: ${JSON.stringify(figures)}\n`)
  return { tally, disturber, ledgers: await ledgersOf(http.world) }
}

async function runIn(http: HttpWorld, requests: number, tally: Tally): Promise<void> {
  await using ground = await CrossingGround.open(http, WORKERS)
  const tenants = [...http.world.places.keys()]
  const anyTenant = () => {
    const first = Math.floor(tally.operations / REQUESTS_BEFORE_THE_NEXT)
    const isHot = Math.random() < HOT_SHARE
    const at = isHot ? first + Math.floor(Math.random() * HOT) : Math.floor(Math.random() * TENANTS)
    return tenants[at % TENANTS] ?? ''
  }
  const terms = { ground, tally, anyTenant }
  await Promise.all(Array.from({ length: WORKERS }, () => askOn(terms, requests)))
}

async function askOn(terms: Terms, requests: number): Promise<void> {
  const { tally, anyTenant } = terms
  while (tally.operations < requests && tally.violations.length === 0) {
    tally.operations++
    const [name, work] = anyRequest()
    const tenant = anyTenant()
    const began = performance.now()
    await work(terms, tenant).then(
      () => tally.count(tally.byKind, name),
      (error: unknown) => {
        if (!(error instanceof DisturbedError))
          tally.violate(
            `${name} of ${tenant}: ${error instanceof Error ? (error.stack ?? error) : String(error)}`,
          )
        else if (error.isRefusal) tally.refused++
        else tally.disturbed++
      },
    )
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - began)
  }
}

/** Lines of the log that name two tenants, but for those that say so of a request that did. */
function linesOfTwo({ logLines }: HttpWorld): string[] {
  const isOfTwo = (line: string) => new Set(line.match(/\btenant-\d+\b/g)).size > 1
  return logLines.filter((line) => isOfTwo(line) && !/"(?:tenant_unknown|28P01)"/.test(line))
}
