import { hash } from 'node:crypto'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { CallSubject } from './call-observer.ts'
import type { ProvedCaller } from './source.ts'

/** Ids that go into the audit as they are. */
const PLAIN = /^[\w.@|:+-]{1,64}$/

/** Whoever the application's own login let in, or not. */
export const SESSION: CallSubject = { id: 'session', scope: { kind: 'session' } }

/** @param tenant of a token: whose it is. */
export function subjectOf(caller: ProvedCaller, tenant?: TenantId): CallSubject {
  if (caller.kind === 'key') return caller
  if (caller.kind === 'session' || tenant === undefined) return SESSION
  return { id: idOf(caller.subject), scope: { kind: 'token', tenant } }
}

/** What an issuer says may be of any length and hold anything. */
function idOf(subject: string | undefined): string {
  if (subject === undefined) return '-'
  return PLAIN.test(subject) ? subject : `sha256:${hash('sha256', subject, 'hex').slice(0, 32)}`
}
