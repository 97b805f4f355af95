import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { AliasKind, AliasRecord } from './alias-record.ts'
import type { TrailFilter, TrailPage } from './audit/audit-trail.ts'
import type { KeyRecord } from './key-record.ts'
import type { OperationRecord } from './operation-record.ts'
import type { Cluster, ServerRecord } from './server-record.ts'
import type { Vicinity } from './vicinity.ts'

export interface Records {
  tenant: TenantRecord
  alias: AliasRecord
  server: ServerRecord
  key: KeyRecord
  operation: OperationRecord
}
export type Kind = keyof Records

/** A record and the revision it was read at. A revision rises with every change and is never used again. */
export interface Entry<K extends Kind = Kind> {
  readonly kind: K
  readonly id: string
  readonly revision: number
  readonly record: Records[K]
  /** Read where the latest changes may not have arrived: better than nothing, and to be read again. */
  readonly mayLag?: true
}

export type Put = {
  [K in Kind]: { readonly kind: K; readonly id: string; readonly record: Records[K] }
}[Kind]

/** What must still be true when the commit happens; revision 0 says that there is no such record. */
export interface Expectation {
  readonly kind: Kind
  readonly id: string
  readonly revision: number
}

export interface AuditEntry {
  readonly actor: string
  readonly action: string
  readonly target: string
  /** Whom it is about. Default: the tenant of a `tenant.…` action, or of all that is changed, where that is one. */
  readonly tenant?: string
  readonly at: string
  readonly detail: Readonly<Record<string, string | number | boolean | null>>
}

export interface Commit {
  readonly puts?: readonly Put[]
  readonly removes?: readonly { readonly kind: Kind; readonly id: string }[]
  readonly audit: AuditEntry
}

export interface Page<K extends Kind> {
  readonly entries: readonly Entry<K>[]
  /** Give it to the next call; undefined on the last page. */
  readonly next: string | undefined
}

export interface ListFilter {
  /** Tenants only: those with every one of these labels. */
  readonly labels?: Readonly<Record<string, string>>
  /** Tenants only. */
  readonly status?: TenantRecord['status']
  /** Tenants only: those whose route leads to this server. */
  readonly server?: string
  /** Tenants only: those whose route leads into a database of this name. */
  readonly database?: string
  /** Tenants only: those whose route logs in as this role. */
  readonly role?: string
  /** Tenants only: those whose id begins so; a part of an id. */
  readonly prefix?: string
  /** Tenants only. */
  readonly near?: Vicinity
  /** Servers only. */
  readonly like?: ServerLike
  /** Aliases, keys and operations: those of this tenant. */
  readonly tenant?: string
  /** Operations only. */
  readonly state?: OperationRecord['state']
  /** Entries of a page, 1 to 1,000. */
  readonly limit?: number
}

/** A server on record, and those that may be it by another name: any of these is enough. */
export interface ServerLike {
  readonly id: string
  /** As `isSameCluster` has it. */
  readonly cluster: Cluster
  /** As `primaryOf` has it. */
  readonly primary: string
}

export interface Change {
  readonly kind: Kind
  readonly id: string
  /** Of the record after the change; for a removal, of the removal. */
  readonly revision: number
}

/**
 * `reset` says that changes were missed (the log is bounded): whatever is held must be revalidated. An empty
 * batch says that the backend was asked just now and nothing has changed; one comes at least every two
 * seconds while it answers, so that silence means that it does not.
 */
export type ChangeBatch =
  | { readonly type: 'changes'; readonly changes: readonly Change[]; readonly position: string }
  | { readonly type: 'reset'; readonly position: string }

/**
 * Where tenants, their aliases, servers, keys and operations are kept. Backends are naive: caching, single
 * flight, deadlines and metrics are the directory's.
 * Every method throws `RegistryUnavailableError` when the backend cannot be asked, and `CancelledError` on abort.
 */
export interface Registry extends AsyncDisposable {
  /** Names this registry for ever (a uuid made with it); part of what sealed secrets are bound to. */
  readonly id: string

  /** Absence is an answer, not an error: resolves undefined. */
  find<K extends Kind>(kind: K, id: string, signal?: AbortSignal): Promise<Entry<K> | undefined>

  /** The tenant that an alias names. */
  findByAlias(kind: AliasKind, value: string, signal?: AbortSignal): Promise<Entry<'tenant'> | undefined>

  /** In order of id, from after `cursor`. */
  list<K extends Kind>(kind: K, cursor?: string, filter?: ListFilter, signal?: AbortSignal): Promise<Page<K>>

  /** How many tenants each server has by their routes, deleted ones left out. Servers without any are left out too. */
  tenantsByServer(signal?: AbortSignal): Promise<ReadonlyMap<string, number>>

  /**
   * All of it or nothing. Resolves the new revision of each put, in order.
   * Every put and remove must have an expectation.
   * @throws {RevisionConflictError} when an expectation does not hold.
   */
  commit(commit: Commit, expectations: readonly Expectation[]): Promise<readonly number[]>

  /**
   * What `commit` was told for the audit, from after `cursor` in the filter's order. An entry is there once its commit
   * has ended. Where entries are not one transaction with the change (a file), one may be there whose change was not
   * written: the entry `registry.undone` says so.
   */
  auditTrail(cursor?: string, filter?: TrailFilter, signal?: AbortSignal): Promise<TrailPage>

  /** The next value of the registry-wide sequence, from 1. Never given twice; gaps are allowed. */
  nextGeneration(): Promise<number>

  /**
   * What changed after `position`, oldest first, for ever until `signal` aborts or `close()`; then it ends
   * without error. Without a position it begins with a `reset` at the present. A backend that cannot be
   * asked for a while is asked again with backoff; nothing is lost meanwhile, or a `reset` says so.
   */
  changes(position: string | undefined, signal: AbortSignal): AsyncIterable<ChangeBatch>

  /** Ends every watch and connection. Safe to call again: everyone gets the same promise. */
  close(): Promise<void>
}
