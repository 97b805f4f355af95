import { randomUUID } from 'node:crypto'
import { RevisionConflictError, UnsupportedError } from '../../errors.ts'
import { draftOf } from '../audit/audit-draft.ts'
import type { AuditKey } from '../audit/audit-key.ts'
import { tenantOf } from '../record-schema.ts'
import type { Change, Commit, Entry, Expectation, Kind } from '../registry.ts'
import type { ConsulHead } from './consul-audit.ts'
import { MAX_OPERATIONS, type Operation } from './consul-client.ts'
import type { ConsulKeys } from './consul-keys.ts'
import { type ConsulLog, formatLog } from './consul-log.ts'

/** An entry as it was read, with Consul's own index of it. */
export interface ReadEntry {
  readonly entry: Entry
  readonly index: number
}

export interface CommitTerms {
  readonly keys: ConsulKeys
  readonly maxChanges: number
  /** Of the registry. */
  readonly registry: string
  /** Undefined: the audit's entry stays unsealed. */
  readonly key: AuditKey | undefined
  /** As it was read with the log; needed where there is a key. */
  readonly head: ConsulHead | undefined
}

/** @throws {RevisionConflictError} */
export function refuseUnexpected(
  expectations: readonly Expectation[],
  read: ReadonlyMap<string, ReadEntry>,
  keys: ConsulKeys,
): void {
  for (const { kind, id, revision } of expectations) {
    const found = read.get(keys.entry(kind, id))?.entry.revision ?? 0
    if (found !== revision) {
      throw new RevisionConflictError(`${kind} ${id}: expected revision ${revision}, found ${found}`)
    }
  }
}

/**
 * The one transaction that makes a commit, on top of `log`: it fails as a whole when any other commit, or a
 * hand, was quicker.
 * @throws {UnsupportedError} when it is too large for Consul.
 */
export function operationsOf(
  commit: Commit,
  expectations: readonly Expectation[],
  read: ReadonlyMap<string, ReadEntry>,
  log: ConsulLog,
  { keys, maxChanges, ...audit }: CommitTerms,
): { operations: Operation[]; revisions: number[] } {
  const changes: Change[] = []
  const operations: Operation[] = []
  const changed = new Set<string>()
  let { revision } = log
  const record = (kind: Kind, id: string) => {
    changes.push({ kind, id, revision: ++revision })
    return revision
  }
  for (const { kind, id, record: content } of commit.puts ?? []) {
    const key = keys.entry(kind, id)
    const was = read.get(key)
    const value = JSON.stringify({ revision: record(kind, id), record: content })
    operations.push({ verb: 'cas', key, value, index: was?.index ?? 0 })
    operations.push(
      ...belonging(keys, kind, id, was && tenantOf(was.entry), tenantOf({ kind, record: content })),
    )
    changed.add(key)
  }
  const revisions = changes.map((change) => change.revision)
  for (const { kind, id } of commit.removes ?? []) {
    const key = keys.entry(kind, id)
    const was = read.get(key)
    if (was === undefined) continue
    record(kind, id)
    operations.push({ verb: 'delete-cas', key, index: was.index })
    operations.push(...belonging(keys, kind, id, tenantOf(was.entry), undefined))
    changed.add(key)
  }
  for (const { kind, id } of expectations) {
    const key = keys.entry(kind, id)
    if (!changed.has(key)) operations.push(check(key, read.get(key)))
  }
  const next = { revision, changes: [...log.changes, ...changes].slice(-maxChanges) }
  operations.push({ verb: 'cas', key: keys.log, value: formatLog(next), index: log.index })
  operations.push(...auditOperations(commit, revision, changes.length > 0, keys, audit))
  if (operations.length > MAX_OPERATIONS) {
    throw new UnsupportedError(
      `a commit of ${operations.length} operations in Consul`,
      `commit parts of at most ${MAX_OPERATIONS}`,
    )
  }
  return { operations, revisions }
}

function auditOperations(
  commit: Commit,
  revision: number,
  isChange: boolean,
  keys: ConsulKeys,
  { key, registry, head }: Omit<CommitTerms, 'keys' | 'maxChanges'>,
): Operation[] {
  const draft = { ...draftOf(commit), revision }
  if (key === undefined || head === undefined) {
    // A commit that changes nothing has no revision of its own.
    const name = keys.audit(revision, isChange ? {} : { mark: randomUUID() })
    return [{ verb: 'set', key: name, value: JSON.stringify(draft) }]
  }
  const audit = key.sealed(draft, head, registry)
  const { link, mac } = audit.seal
  return [
    { verb: 'set', key: keys.audit(revision, { link }), value: JSON.stringify(audit) },
    { verb: 'cas', key: keys.auditHead, value: JSON.stringify({ link, mac }), index: head.index },
  ]
}

function belonging(
  keys: ConsulKeys,
  kind: Kind,
  id: string,
  was: string | undefined,
  is: string | undefined,
): Operation[] {
  if (was === is) return []
  return [
    ...(was === undefined ? [] : [{ verb: 'delete', key: keys.belonging(was, kind, id) } as const]),
    ...(is === undefined ? [] : [{ verb: 'set', key: keys.belonging(is, kind, id), value: '' } as const]),
  ]
}

function check(key: string, read: ReadEntry | undefined): Operation {
  return read === undefined
    ? { verb: 'check-not-exists', key }
    : { verb: 'check-index', key, index: read.index }
}
