import { UnauthorizedError } from '../errors.ts'
import type { KeyRecord } from '../registry/key-record.ts'
import type { CallerSource } from './caller-resolver.ts'
import { isForTenant, tenantOfKey } from './key-tenant.ts'
import { KeyVerifier } from './key-verifier.ts'
import type { Proof, ProvedCaller, Prover, ProvingSource, RequestFacts } from './source.ts'

const KEY = /^Bearer +tk_/i

/**
 * Proves by an API key of the registry, `Authorization: Bearer tk_…`. A tenant's own key names its tenant; a service
 * key is for every tenant, or for those with its labels, and another source names which.
 */
export function apiKey(): ProvingSource {
  return { proves: true, open: (directory) => new KeyProver(directory) }
}

class KeyProver implements Prover {
  readonly #directory: CallerSource
  readonly #keys: KeyVerifier

  constructor(directory: CallerSource) {
    this.#directory = directory
    this.#keys = new KeyVerifier(directory)
  }

  async prove(facts: RequestFacts, signal?: AbortSignal): Promise<Proof | undefined> {
    const authorization = facts.header('authorization')
    if (authorization === undefined || !KEY.test(authorization)) return undefined
    const key = await this.#keys.verify(authorization, signal)
    const { scope } = key
    switch (scope.kind) {
      case 'tenant':
        return { caller: callerOf(key), tenant: await tenantOfKey(this.#directory, scope, signal) }
      case 'service':
        return { caller: callerOf(key), mayBe: (tenant) => isForTenant(scope, tenant) }
      case 'operator':
        throw new UnauthorizedError(`operator key ${key.id} where tenants are served`)
    }
  }
}

/** Without the hash of its secret. */
function callerOf({ id, scope, readOnly }: KeyRecord): ProvedCaller {
  return { kind: 'key', id, scope, readOnly }
}
