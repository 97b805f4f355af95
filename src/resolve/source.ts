import type { KeyRecord } from '../registry/key-record.ts'
import { parseTenantId, type TenantId } from '../tenant/tenant-id.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { CallerSource } from './caller-resolver.ts'

/** What a request says of itself, whatever server it came through. */
export interface RequestFacts {
  /** As the client wrote it: `acme.example.com:443`. */
  readonly host: string | undefined
  /** As routes are matched: with a slash before it, without a query. */
  readonly path: string
  /** @throws {InvalidRequestError} where it was sent twice. */
  header(name: string): string | undefined
}

/** Who was proved to ask. */
export type ProvedCaller =
  | {
      readonly kind: 'key'
      readonly id: string
      readonly scope: KeyRecord['scope']
      /** Asks for data, and changes none. */
      readonly readOnly: boolean
    }
  | {
      readonly kind: 'token'
      readonly issuer: string
      /** The `sub` claim. */
      readonly subject: string | undefined
      /** All that the issuer signed. */
      readonly claims: Readonly<Record<string, unknown>>
    }
  /** The application's own `authorize` said so. */
  | { readonly kind: 'session' }

/** Of one tenant. */
export interface OwnProof {
  readonly caller: ProvedCaller
  readonly tenant: TenantRecord
}

/** Of several, and the request names which. */
export interface AnyProof {
  readonly caller: ProvedCaller
  mayBe(tenant: TenantRecord): boolean
}

export type Proof = OwnProof | AnyProof

/** Finds out who asks from something that nobody else can make. */
export interface Prover {
  /**
   * Undefined where the request has no credential of this kind.
   * @throws {UnauthorizedError} where it has one that is not valid. {TenantUnknownError | IssuerUnavailableError | RegistryUnavailableError}
   */
  prove(facts: RequestFacts, signal?: AbortSignal): Promise<Proof | undefined>
}

/** Reads which tenant a request means. Anybody can write that, so it proves nothing. */
export interface Namer {
  /**
   * Undefined where it names none; `NOBODY` where it names something that is no tenant.
   * @throws {InvalidTenantIdError | InvalidRequestError | RegistryUnavailableError}
   */
  name(facts: RequestFacts, signal?: AbortSignal): Promise<TenantId | undefined>
}

/** A source that proves: `apiKey()`, `jwt()`. */
export interface ProvingSource {
  readonly proves: true
  open(directory: CallerSource): Prover
}

/** A source that can be forged: `host()`, `header()`, `path()`. It needs a proof beside it. */
export interface NamingSource {
  readonly proves: false
  open(directory: CallerSource): Namer
}

/** What `tenancy()` finds the tenant of a request by. */
export type Source = ProvingSource | NamingSource

/** A tenant that nobody can make (`parseNewTenantId`): what is asked of it costs what an unknown one does. */
export const NOBODY: TenantId = parseTenantId('xn--nobody')
