import { z } from 'zod'
import { ServerUnavailableError, TenantryError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { ServerId } from '../../registry/server-record.ts'
import { within } from '../../registry/within.ts'
import { sideBySide } from '../../side-by-side.ts'
import type { LifecycleParts } from '../parts.ts'
import { FLEET_CHECKS, RECORD_CHECKS, SERVER_CHECKS } from './checks.ts'
import { type Ascribed, bySeverity, type Finding, type Found, viewFinding } from './finding.ts'
import { type Fleet, readFleet, tenantsOf } from './fleet.ts'
import { lookAt, type ServerCheck, type ServerLook } from './server-look.ts'

/** Of repairs. */
const ROUNDS = 3
/** Servers looked at side by side. */
const SERVERS_AT_ONCE = 4
/** The name under which it is told that a server was not looked at. */
const REACH = 'reach'

export const AskDoctor = z.strictObject({
  /** That one and its tenants only. Default: all that the registry has. */
  server: ServerId.optional(),
  /** Milliseconds for each server. What was not looked at by then is said. */
  serverTimeoutMs: z.int().min(100).max(3_600_000).default(120_000),
})
export type AskDoctor = z.input<typeof AskDoctor>

export interface Repaired {
  readonly finding: Finding
  /** Why it was not done; null where it was. */
  readonly error: string | null
}

export interface Diagnosis {
  readonly checkedAt: string
  readonly servers: number
  readonly tenants: number
  /** The worst first. After repairs: what is left. */
  readonly findings: readonly Finding[]
  readonly counts: Readonly<Record<Finding['severity'], number>>
  readonly repaired: readonly Repaired[]
}

/**
 * Compares what the registry says with what the servers are, and changes nothing. A server that does not answer is a
 * finding. Each tenant that is served is logged in to once.
 * @param now wall clock, in milliseconds.
 * @throws {ServerUnknownError | RegistryUnavailableError}
 */
export async function diagnose(
  parts: LifecycleParts,
  input: AskDoctor,
  now: () => number = Date.now,
): Promise<Diagnosis> {
  return diagnosisOf(await examine(parts, AskDoctor.parse(input), now), [])
}

/**
 * As `diagnose`, then does what is fixable, one after another, and looks again. What cannot be done is told, and the
 * next is tried.
 */
export async function diagnoseAndFix(
  parts: LifecycleParts,
  input: AskDoctor,
  actor: string,
): Promise<Diagnosis> {
  const asked = AskDoctor.parse(input)
  let seen = await examine(parts, asked, Date.now)
  const repaired: Repaired[] = []
  const failed = new Map<string, Repaired>()
  // One repair may change what another one was decided by, which then has its turn in the next round.
  for (let round = 1; round <= ROUNDS; round += 1) {
    const due = dueIn(round, seen.found)
    if (due.length === 0) break
    failed.clear()
    for (const found of due) {
      if (found.repair === undefined) continue
      const error = await found.repair(parts, actor).then(() => null, messageOf)
      const one = { finding: viewFinding(found), error }
      if (error === null) repaired.push(one)
      else failed.set(`${found.check} ${found.subject} ${found.what}`, one)
    }
    seen = await examine(parts, asked, Date.now)
  }
  return diagnosisOf(seen, [...repaired, ...failed.values()])
}

function dueIn(round: number, found: readonly Ascribed[]): readonly Ascribed[] {
  const fixable = found.filter(({ repair }) => repair !== undefined)
  const first = fixable.filter(({ isLooking }) => !isLooking)
  return first.length === 0 || round === ROUNDS ? fixable : first
}

function messageOf(error: unknown): string {
  return error instanceof TenantryError ? error.message : 'an unexpected error'
}

interface Examination {
  readonly fleet: Fleet
  readonly found: readonly Ascribed[]
}

function diagnosisOf({ fleet, found }: Examination, repaired: readonly Repaired[]): Diagnosis {
  const findings = found.map(viewFinding)
  const count = (wanted: Finding['severity']) => findings.filter(({ severity }) => severity === wanted).length
  return {
    checkedAt: new Date().toISOString(),
    servers: fleet.wanted.length,
    tenants: tenantsOf(fleet).length,
    findings,
    counts: { error: count('error'), warning: count('warning'), info: count('info') },
    repaired,
  }
}

async function examine(
  parts: LifecycleParts,
  { server, serverTimeoutMs }: z.output<typeof AskDoctor>,
  now: () => number,
): Promise<Examination> {
  const fleet = await readFleet(parts.registry, server)
  const found: Ascribed[] = []
  for (const check of fleet.isWhole ? [...FLEET_CHECKS, ...RECORD_CHECKS] : RECORD_CHECKS) {
    for (const one of await check.run(parts, fleet)) found.push({ ...one, check: check.name })
  }
  const ofServers = await sideBySide(fleet.wanted, SERVERS_AT_ONCE, (entry) =>
    examineServer(parts, fleet, entry, { serverTimeoutMs, now }),
  )
  return { fleet, found: bySeverity([...found, ...ofServers.flat()]) }
}

async function examineServer(
  parts: LifecycleParts,
  fleet: Fleet,
  { id, record }: Entry<'server'>,
  { serverTimeoutMs, now }: { readonly serverTimeoutMs: number; readonly now: () => number },
): Promise<Ascribed[]> {
  const found: Ascribed[] = []
  const left = new Set(SERVER_CHECKS.map(({ name }) => name))
  const over = new AbortController()
  const work = lookAt(parts, fleet, record, { signal: over.signal, now }, async (look) => {
    for (const check of SERVER_CHECKS) {
      if (over.signal.aborted) return
      const ofCheck = await runCheck(check, look)
      left.delete(check.name)
      found.push(...(await stillTrue(look, ofCheck)))
    }
  })
  const late = () => new ServerUnavailableError(`not done within ${serverTimeoutMs} ms`)
  try {
    const hasLooked = await within(work, serverTimeoutMs, late)
    if (!hasLooked) found.push({ ...nobodyToLook(id), check: REACH })
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    found.push({ ...unreached(id, error, [...left]), check: REACH })
  } finally {
    over.abort()
    // It has nothing left open when it has ended, which it does soon once it is aborted.
    await work.catch(() => undefined)
  }
  return found
}

/** Without what is about tenants that somebody changed since they were read: it may speak of a moment between two. */
async function stillTrue({ parts, tenants }: ServerLook, found: readonly Ascribed[]): Promise<Ascribed[]> {
  const concerned = new Set(found.map(({ subject }) => subject))
  const changed = new Set<string>()
  for (const { id, revision } of tenants.filter((entry) => concerned.has(`tenant ${entry.id}`))) {
    const present = await parts.registry.find('tenant', id)
    if (present?.revision !== revision) changed.add(`tenant ${id}`)
  }
  return found.filter(({ subject }) => !changed.has(subject))
}

/** A check that a server does not let us make says so, and the others are made. */
async function runCheck(check: ServerCheck, look: ServerLook): Promise<Ascribed[]> {
  const { name } = check
  try {
    return [...(await check.run(look))].map((one) => ({ ...one, check: name }))
  } catch (error) {
    if (!(error instanceof TenantryError) || look.signal.aborted) throw error
    const what = `This could not be looked at: ${error.message}.`
    const consequence = 'What is wrong there is not seen.'
    return [
      { check: name, severity: 'warning', subject: `server ${look.server.id}`, what, consequence, fix: null },
    ]
  }
}

function nobodyToLook(id: string): Found {
  return {
    severity: 'info',
    subject: `server ${id}`,
    what: 'There is no login to look with: no admin on record (or no TENANTRY_ADMIN_KEY here), and no active tenant.',
    consequence: 'Nothing of it was checked.',
    fix: `tenantry server add ${id} --dsn-file FILE`,
  }
}

function unreached(id: string, error: TenantryError, left: readonly string[]): Found {
  return {
    severity: 'error',
    subject: `server ${id}`,
    what: `It was not looked at whole: ${error.message}. Left out: ${left.join(', ')}.`,
    consequence: 'Where it does not answer, requests of its tenants get 503.',
    fix: null,
  }
}
