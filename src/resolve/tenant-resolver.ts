import {
  InvalidConfigError,
  NoTenantError,
  RegistryUnavailableError,
  TenantUnknownError,
  UnauthorizedError,
} from '../errors.ts'
import type { TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { CallObserver, CallRefusal, CallSubject } from './call-observer.ts'
import { SESSION, subjectOf } from './call-subject.ts'
import type { CallerSource } from './caller-resolver.ts'
import {
  type AnyProof,
  type Namer,
  NOBODY,
  type OwnProof,
  type Proof,
  type ProvedCaller,
  type Prover,
  type RequestFacts,
  type Source,
} from './source.ts'

/** Whether the caller of this request may be the tenant, which need not exist. Asked of each tenant that is named. */
export type Permission = (tenant: TenantId) => boolean | Promise<boolean>

export interface Resolved {
  readonly tenant: TenantRecord
  readonly caller: ProvedCaller
}

export interface Asked {
  readonly facts: RequestFacts
  /** The application's own login, for requests without a credential of a source. */
  readonly permission?: Permission | undefined
  /** The client's address, for the audit. */
  readonly client?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Request → tenant, by sources of two ranks: those that prove who asks, and those that anybody can write, which only say
 * what is meant and must agree. Whatever does not fit together, is unknown or is not for this caller reads the same
 * outside, `tenant_unknown`, and costs the same.
 */
export class TenantResolver {
  readonly #directory: CallerSource
  readonly #provers: readonly Prover[]
  readonly #namers: readonly Namer[]
  readonly #observer: CallObserver

  /** @throws {InvalidConfigError} where nothing could prove who asks. */
  constructor(
    directory: CallerSource,
    sources: readonly Source[],
    observer: CallObserver,
    hasPermission: boolean,
  ) {
    this.#directory = directory
    this.#observer = observer
    this.#provers = sources.flatMap((source) => (source.proves ? [source.open(directory)] : []))
    this.#namers = sources.flatMap((source) => (source.proves ? [] : [source.open(directory)]))
    refuseUnproved(this.#provers.length, this.#namers.length, hasPermission)
  }

  /**
   * The proof comes first: without one, nobody makes us look up names.
   * @throws {UnauthorizedError | NoTenantError | InvalidTenantIdError | TenantUnknownError | RegistryUnavailableError}
   */
  async resolve(asked: Asked): Promise<Resolved> {
    const proof = await this.#prove(asked)
    if (proof === undefined) return this.#bySession(asked)
    return 'tenant' in proof ? this.#asOwn(proof, asked) : this.#asAny(proof, asked)
  }

  async #prove({ facts, signal }: Asked): Promise<Proof | undefined> {
    for (const prover of this.#provers) {
      const proof = await prover.prove(facts, signal)
      if (proof !== undefined) return proof
    }
    return undefined
  }

  /** Names that are nobody's are no contradiction: an application has other host names than its tenants know. */
  async #asOwn({ caller, tenant }: OwnProof, asked: Asked): Promise<Resolved> {
    const names = await this.#names(asked, true)
    for (const other of names)
      if (other !== tenant.id && other !== NOBODY)
        this.#refuse(subjectOf(caller, tenant.id), other, 'tenant_mismatch', asked)
    return { tenant, caller }
  }

  async #asAny(proof: AnyProof, asked: Asked): Promise<Resolved> {
    const { caller } = proof
    const subject = subjectOf(caller)
    const names = await this.#names(asked)
    const id = oneOf(names)
    // Looked up whatever else is wrong, so that it costs the same.
    const tenant = (await this.#directory.tenant(id, asked.signal))?.record
    this.#refuseDifferent(subject, names, asked)
    if (!tenant) throw new TenantUnknownError(`tenant ${id} is not in the registry`)
    if (!proof.mayBe(tenant)) this.#refuse(subject, id, 'labels_differ', asked)
    if (caller.kind === 'key') this.#observer.served(caller, id)
    return { tenant, caller }
  }

  /** The application is asked before the registry: who may not be a tenant never learns whether there is one. */
  async #bySession(asked: Asked): Promise<Resolved> {
    const { permission, signal } = asked
    if (permission === undefined) throw new UnauthorizedError('the request has no credential of any source')
    const names = await this.#names(asked)
    const id = oneOf(names)
    const isPermitted = await permission(id)
    this.#refuseDifferent(SESSION, names, asked)
    // Anything but true: what an application returns is not always what its type says.
    if (isPermitted !== true) this.#refuse(SESSION, id, 'not_permitted', asked)
    const tenant = (await this.#directory.tenant(id, signal))?.record
    if (!tenant) throw new TenantUnknownError(`tenant ${id} is not in the registry`)
    return { tenant, caller: { kind: 'session' } }
  }

  /** What the request names, or `NOBODY` where that is all it names. */
  async #names({ facts, signal }: Asked, isNamed = false): Promise<TenantId[]> {
    const names: TenantId[] = []
    let outage: RegistryUnavailableError | undefined
    for (const namer of this.#namers) {
      try {
        const name = await namer.name(facts, signal)
        if (name !== undefined) names.push(name)
      } catch (error) {
        if (!(error instanceof RegistryUnavailableError)) throw error
        outage = error
      }
    }
    const known = names.filter((name) => name !== NOBODY)
    // A registry that is down must not fail a tenant that is named already.
    if (outage !== undefined && known.length === 0 && !isNamed) throw outage
    return known.length > 0 ? known : names
  }

  #refuseDifferent(subject: CallSubject, names: readonly TenantId[], asked: Asked): void {
    const [first] = names
    const other = names.find((name) => name !== first)
    if (other !== undefined) this.#refuse(subject, other, 'names_differ', asked)
  }

  #refuse(subject: CallSubject, tenant: TenantId, why: CallRefusal, { client }: Asked): never {
    this.#observer.refused(subject, tenant === NOBODY ? '*' : tenant, why, client)
    throw new TenantUnknownError(`${subject.scope.kind} ${subject.id} was refused tenant ${tenant}: ${why}`)
  }
}

/** @throws {NoTenantError} */
function oneOf([first]: readonly TenantId[]): TenantId {
  if (first === undefined) throw new NoTenantError('the request names no tenant')
  return first
}

/** @throws {InvalidConfigError} */
function refuseUnproved(provers: number, namers: number, hasPermission: boolean): void {
  const fault =
    provers === 0 && !hasPermission
      ? 'host, header and path can be forged: beside them, apiKey(), jwt() or authorize must prove who asks'
      : provers === 0 && namers === 0
        ? 'authorize is asked of the tenant that a request names: host(), header() or path() must name it'
        : undefined
  if (fault !== undefined) throw new InvalidConfigError([`tenancy: ${fault}`])
}
