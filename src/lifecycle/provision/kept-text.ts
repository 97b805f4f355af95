import { createHash } from 'node:crypto'
import type { SealBinding, Sealer } from '../../registry/sealing.ts'
import { Secret } from '../../secret.ts'
import type { Sealed } from '../../tenant/sealed.ts'

/** A longer text is not kept in the registry, whose values may be bounded (Consul: 512 KiB). */
const KEPT_CHARS = 100_000

/**
 * SQL that an operation is to run, kept sealed with it: seeds of first tables may be as secret as rows are.
 * @returns null where there is none, or it is too long to be kept.
 */
export function keptText(sealer: Sealer, text: string | undefined, binding: SealBinding): Sealed | null {
  return text !== undefined && text.length <= KEPT_CHARS ? sealer.seal(new Secret(text), binding) : null
}

export function sha256(text: string): string
export function sha256(text: string | undefined): string | null
export function sha256(text: string | undefined): string | null {
  return text === undefined ? null : createHash('sha256').update(text).digest('hex')
}
