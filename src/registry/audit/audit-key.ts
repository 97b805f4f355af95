import { createHmac, timingSafeEqual } from 'node:crypto'
import { SealingFailedError } from '../../errors.ts'
import type { MasterKeys } from '../master-keys.ts'
import type { AuditDraft, AuditHead, KeptAudit } from './audit-trail.ts'
import { canonicalJson } from './canonical-json.ts'

const PURPOSE = 'audit|v1'

export type SealFault = 'changed' | 'unknown_key'

/** Seals entries of the audit with a key derived from the master key. The registry never sees it. */
export class AuditKey {
  readonly #keys: MasterKeys
  readonly #kid: string
  /** By kid. */
  readonly #derived = new Map<string, Buffer>()

  constructor(keys: MasterKeys) {
    this.#keys = keys
    this.#kid = keys.derive(PURPOSE).kid
  }

  /** As the next link after `head`. @param registry its id: an entry fits into no other's chain. */
  sealed(draft: AuditDraft & { readonly revision: number }, head: AuditHead, registry: string): SealedAudit {
    const unsealed = { kid: this.#kid, link: head.link + 1, previous: head.mac }
    const mac = this.#macOf({ ...draft, seal: unsealed }, registry).toString('base64url')
    return { ...draft, seal: { ...unsealed, mac } }
  }

  /** What is wrong with the entry by itself, whatever stands before it; undefined where it is as it was sealed. */
  faultOf(audit: SealedAudit, registry: string): SealFault | undefined {
    const { mac, ...seal } = audit.seal
    try {
      const expected = this.#macOf({ ...audit, seal }, registry)
      // Compared as text: base64url of other characters could decode to the same bytes.
      const found = Buffer.from(mac)
      const wanted = Buffer.from(expected.toString('base64url'))
      return found.length === wanted.length && timingSafeEqual(found, wanted) ? undefined : 'changed'
    } catch (error) {
      if (error instanceof SealingFailedError) return 'unknown_key'
      throw error
    }
  }

  #macOf(entry: { readonly seal: { readonly kid: string } }, registry: string): Buffer {
    const key = this.#keyOf(entry.seal.kid)
    return createHmac('sha256', key)
      .update(canonicalJson([PURPOSE, registry, entry]))
      .digest()
  }

  #keyOf(kid: string): Buffer {
    let key = this.#derived.get(kid)
    if (key === undefined) {
      key = this.#keys.derive(PURPOSE, kid).key
      this.#derived.set(kid, key)
    }
    return key
  }
}

export type SealedAudit = KeptAudit & { readonly seal: NonNullable<KeptAudit['seal']> }

export function isSealed(audit: KeptAudit): audit is SealedAudit {
  return audit.seal !== null
}
