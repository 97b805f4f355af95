import { PreconditionFailedError } from '../../errors.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { slotsOf } from '../tenant/login-slots.ts'

/** Postgres cuts longer names. */
const MAX_NAME_BYTES = 63

/** What the roles of people and tools are called, after the tenant's own login slots and so after its database. */
export interface PersonNames {
  /** Has the rights, and no login: whoever can become it can change nobody's password. */
  readonly group: string
  /** A login of the group, by its number. */
  login(number: number): string
}

/** @throws {PreconditionFailedError} where the tenant's roles are not named by us. */
export function personNames({ id, route }: TenantRecord, readOnly: boolean): PersonNames {
  const [slot] = slotsOf(route)
  if (route.slot === null || slot === undefined)
    throw new PreconditionFailedError(`Tenant ${id} has a role of its owner's: make logins beside it there.`)
  const stem = `${slot.slice(0, -1)}h`
  const fitting = (name: string) => {
    if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
    throw new PreconditionFailedError(`The role names of tenant ${id} are too long for another beside them.`)
  }
  return {
    group: fitting(`${stem}_${readOnly ? 'ro' : 'rw'}`),
    login: (number) => fitting(`${stem}${number}`),
  }
}

/** The number in a login's name, 0 where it has none. */
export function numberOf(login: string): number {
  return Number(/\d+$/.exec(login)?.[0] ?? 0)
}
