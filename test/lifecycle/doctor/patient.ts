import type { AskDoctor, Diagnosis } from '../../../src/lifecycle/doctor/doctor.ts'
import { diagnose } from '../../../src/lifecycle/doctor/doctor.ts'
import type { Finding } from '../../../src/lifecycle/doctor/finding.ts'
import { readFleet } from '../../../src/lifecycle/doctor/fleet.ts'
import { lookAt, type ServerLook } from '../../../src/lifecycle/doctor/server-look.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { auditEntry, now } from '../../../src/lifecycle/parts.ts'
import { findServer } from '../../../src/lifecycle/server/server-view.ts'
import type { Entry, Kind, Put } from '../../../src/registry/registry.ts'
import type { ServerRecord } from '../../../src/registry/server-record.ts'
import type { LifecycleGround } from '../ground.ts'

/** Databases of the server itself and of others, that nothing of ours can close: told, and said by name. */
export function isNotOursToClose({ check, what }: Finding): boolean {
  return check === 'doors' && /^Database (postgres|template1) |^Databases that are no tenant's /.test(what)
}

/** What is wrong, but for what the server does not let us close. */
export function troubles({ findings }: Diagnosis): Finding[] {
  return findings.filter((finding) => finding.severity !== 'info' && !isNotOursToClose(finding))
}

/** As one line each: check, severity, subject and text. */
export function linesOf(findings: readonly Finding[]): string[] {
  return findings.map(({ check, severity, subject, what }) => `${check} ${severity} ${subject}: ${what}`)
}

export async function linesFor(parts: LifecycleParts, asked: AskDoctor = {}): Promise<string[]> {
  return linesOf((await diagnose(parts, asked)).findings)
}

/** Changes a record behind everybody's back. */
export async function overwrite<K extends Kind>(
  { registry }: LifecycleGround,
  kind: K,
  id: string,
  change: (record: Entry<K>['record']) => Entry<K>['record'],
): Promise<void> {
  const entry = await registry.find(kind, id)
  if (!entry) throw new Error(`no ${kind} ${id}`)
  const put = { kind, id, record: change(entry.record) } as Put // kind and record belong together
  await registry.commit({ puts: [put], audit: auditEntry('test', 'test', id) }, [
    { kind, id, revision: entry.revision },
  ])
}

export async function put(ground: LifecycleGround, made: Put): Promise<void> {
  await ground.registry.commit({ puts: [made], audit: auditEntry('test', 'test', made.id) }, [
    { kind: made.kind, id: made.id, revision: 0 },
  ])
}

export async function remove(ground: LifecycleGround, kind: Kind, id: string): Promise<void> {
  const entry = await ground.registry.find(kind, id)
  await ground.registry.commit({ removes: [{ kind, id }], audit: auditEntry('test', 'test', id) }, [
    { kind, id, revision: entry?.revision ?? 0 },
  ])
}

export function serverAt(
  id: string,
  host: string,
  port: number,
  change: Partial<ServerRecord> = {},
): Put & { readonly kind: 'server' } {
  return {
    kind: 'server',
    id,
    record: {
      id,
      endpoints: [{ role: 'primary', host, port }],
      tls: { mode: 'disable', ca: null, serverName: null, clientCert: null },
      via: 'direct',
      admin: null,
      passwordProvider: null,
      budget: { maxConnections: 10, headroom: 3 },
      labels: {},
      createdAt: now(),
      updatedAt: now(),
      ...change,
    },
  }
}

/** A look at the ground's server, for a check to be run on with something changed in it. */
export async function lookOf(
  { parts }: LifecycleGround,
  work: (look: ServerLook) => Promise<void>,
): Promise<void> {
  const fleet = await readFleet(parts.registry, 'main')
  const terms = { signal: new AbortController().signal, now: Date.now }
  await lookAt(parts, fleet, await findServer(parts.registry, 'main'), terms, work)
}
