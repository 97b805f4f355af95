import { everyEntry } from '../../../registry/every-entry.ts'
import type { KeyRecord } from '../../../registry/key-record.ts'
import { type Found, some } from '../finding.ts'
import type { FleetCheck } from '../fleet.ts'

const DAY_MS = 86_400_000
/** A key that is older was seen by people who are gone, and lies in backups of what used it. */
const OLD_DAYS = 365
/** After this long nobody looks for a key that was refused. */
const FORGOTTEN_DAYS = 90
/** Names kept of those that are told together. */
const MAX_NAMED = 6

/** API keys by their age. */
export const keys: FleetCheck = {
  name: 'keys',
  async run(_parts, { registry }): Promise<Found[]> {
    const groups = { old: new Group(), endless: new Group(), expired: new Group(), revoked: new Group() }
    for await (const { record } of everyEntry(registry, 'key')) {
      const group = groupOf(record, Date.now())
      if (group !== undefined) groups[group].add(nameOf(record))
    }
    return (Object.keys(TELLING) as Telling[]).flatMap((name) => groups[name].told(name))
  },
}

type Telling = 'old' | 'endless' | 'expired' | 'revoked'

const TELLING: Readonly<Record<Telling, Pick<Found, 'severity' | 'what' | 'consequence' | 'fix'>>> = {
  old: {
    severity: 'warning',
    what: `are older than ${OLD_DAYS} days`,
    consequence: 'Whoever has read such a key in all that time still gets in.',
    fix: 'tenantry key create … --expires 90d, then: tenantry key revoke ID',
  },
  endless: {
    severity: 'info',
    what: 'never expire',
    consequence: 'They are good until somebody revokes them.',
    fix: 'tenantry key create … --expires 90d, then: tenantry key revoke ID',
  },
  expired: {
    severity: 'info',
    what: 'have expired',
    consequence: 'They are refused; a caller that still uses one gets 401.',
    fix: 'tenantry key revoke ID',
  },
  revoked: {
    severity: 'info',
    what: `were revoked more than ${FORGOTTEN_DAYS} days ago`,
    consequence: 'They are refused, and stay on record.',
    fix: null,
  },
}

/** Those told together: how many, and a few of them. */
class Group {
  #count = 0
  readonly #names: string[] = []

  add(name: string): void {
    this.#count++
    if (this.#names.length < MAX_NAMED) this.#names.push(name)
  }

  told(telling: Telling): Found[] {
    if (this.#count === 0) return []
    const { severity, what, consequence, fix } = TELLING[telling]
    const names =
      this.#count === this.#names.length ? some(this.#names) : `${this.#names.join(', ')} and more`
    return [
      { severity, subject: 'keys', what: `${this.#count} API keys ${what}: ${names}.`, consequence, fix },
    ]
  }
}

function groupOf({ createdAt, expiresAt, revokedAt }: KeyRecord, now: number): Telling | undefined {
  const daysSince = (at: string) => (now - Date.parse(at)) / DAY_MS
  if (revokedAt !== null) return daysSince(revokedAt) > FORGOTTEN_DAYS ? 'revoked' : undefined
  if (expiresAt !== null && Date.parse(expiresAt) <= now) return 'expired'
  if (daysSince(createdAt) > OLD_DAYS) return 'old'
  return expiresAt === null ? 'endless' : undefined
}

function nameOf({ id, name, scope }: KeyRecord): string {
  const whose = scope.kind === 'tenant' ? `tenant ${scope.tenant}` : scope.kind
  return name === '' ? `${id} (${whose})` : `${id} (${whose}, ${name})`
}
