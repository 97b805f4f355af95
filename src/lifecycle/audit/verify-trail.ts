import { setImmediate as turn } from 'node:timers/promises'
import { z } from 'zod'
import { InvalidRequestError, SealingFailedError } from '../../errors.ts'
import { type AuditHead, NO_HEAD } from '../../registry/audit/audit-trail.ts'
import { TrailCheck, type TrailFault, type TrailVerdict } from '../../registry/audit/trail-check.ts'
import type { LifecycleParts } from '../parts.ts'
import { Since } from './list-trail.ts'

const PAGE = 1_000
/** Entries between two looks at what else this process has to do. */
const AT_ONCE = 200

const Link = z
  .string()
  .regex(/^[1-9]\d{0,15}:[A-Za-z0-9_-]{43}$/, 'must be LINK:MAC, as an earlier verification printed it')

export const VerifyTrail = z.strictObject({
  /** From the first entry of that time or later on; what stands before is not looked at. Default: all. */
  since: Since.optional(),
  /** `LINK:MAC`, as an earlier verification ended with: it must still be there. */
  expect: Link.optional(),
  /** `LINK:MAC` of the last entry of what was archived and taken out: what is there must follow it. */
  after: Link.optional(),
})
export type VerifyTrail = z.input<typeof VerifyTrail>

export interface TrailVerified extends Omit<TrailVerdict, 'head'> {
  /** The last link as `LINK:MAC`, for `expect`; null where nothing is sealed. */
  readonly head: string | null
  /** What the first fault means; null where there is none. */
  readonly meaning: string | null
}

/**
 * Reads the audit from its beginning, and says whether it is as it was sealed.
 * @throws {SealingFailedError} without the master key. {InvalidRequestError} {RegistryUnavailableError}
 */
export async function verifyTrail(
  { registry, auditKey }: LifecycleParts,
  input: VerifyTrail = {},
  signal?: AbortSignal,
): Promise<TrailVerified> {
  const { since, expect, after } = VerifyTrail.parse(input)
  if (since !== undefined && after !== undefined)
    throw new InvalidRequestError('since and after say two beginnings: give one')
  if (auditKey === undefined)
    throw new SealingFailedError(
      'this needs the master key: set TENANTRY_MASTER_KEY or TENANTRY_MASTER_KEY_FILE',
    )
  const before = since === undefined ? (linkOf(after) ?? NO_HEAD) : undefined
  const check = new TrailCheck(auditKey, registry.id, before, linkOf(expect))
  let filter: { readonly since?: string; readonly order: 'oldest'; readonly limit: number } = {
    order: 'oldest',
    limit: PAGE,
  }
  // Only to find where to begin: clocks differ, and an entry of an earlier time may stand after it.
  if (since !== undefined) filter = { ...filter, since, limit: 1 }
  let page = await registry.auditTrail(undefined, filter, signal)
  for (;;) {
    for (const [index, entry] of page.entries.entries()) {
      check.add(entry)
      if (index % AT_ONCE === 0) await turn()
    }
    const last = page.entries.at(-1)?.position
    if (page.next === undefined && filter.limit === PAGE) break
    if (last === undefined) break
    filter = { order: 'oldest', limit: PAGE }
    page = await registry.auditTrail(last, filter, signal)
  }
  const { head, ...verdict } = check.end(page.head)
  return {
    ...verdict,
    head: head && `${head.link}:${head.mac}`,
    meaning: verdict.fault && meaningOf(verdict.fault),
  }
}

function linkOf(text: string | undefined): AuditHead | undefined {
  const [link = '', mac = ''] = text?.split(':') ?? []
  return text === undefined ? undefined : { link: Number(link), mac }
}

/** For whoever has to find out what happened. */
function meaningOf({ kind, position, until, link, count }: TrailFault): string {
  const many = count === 1 ? '1 entry' : `${count} entries`
  const where = until === position ? `at ${position}` : `from ${position} to ${until}`
  const links = count === 1 ? `link ${link}` : `links ${link} to ${(link ?? 0) + count - 1}`
  switch (kind) {
    case 'unsealed':
      return `${many} ${where} without a seal: written by a process without the master key or of a version before, or put there by hand`
    case 'unreadable':
      return `${many} ${where} cannot be read: changed by hand`
    case 'changed':
      return `the entry at ${position} is not what was sealed: it was changed`
    case 'unknown_key':
      return `the entry at ${position} was sealed under a master key that this process does not have: give it all of them`
    case 'removed':
      return `before the entry at ${position} ${links} ${count === 1 ? 'is' : 'are'} missing: removed, or moved further down`
    case 'moved':
      return `the entry at ${position}, link ${link}, stands too late: moved, or put in a second time`
    case 'replaced':
      return `the entry at ${position}, link ${link}, was sealed after another one than stands before it: that one was replaced`
    case 'cut':
      return `the newest are gone, ${links}: cut off`
    case 'head':
      return `the registry noted another end of the trail than link ${link}: the newest were replaced`
    case 'expected':
      return `link ${link}, with which an earlier verification ended, is not there: the trail was cut or replaced since`
  }
}
