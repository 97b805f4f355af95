import { InvalidRequestError } from '../errors.ts'
import type { ConnectionTarget } from './connection.ts'

/**
 * What our types and our reading of them rest on, and a role could have altered for itself
 * (`ALTER ROLE … SET DateStyle`): the startup packet wins over that.
 */
export const PINNED = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
} as const satisfies Readonly<Record<string, string>>

/** A `search_path` without any schema but pg_catalog: of the one whose name is empty, which there cannot be. */
export const NO_SCHEMAS = '""'

/** May be set otherwise by the target. */
const DEFAULTS: Readonly<Record<string, string>> = {
  application_name: 'tenantry',
  TimeZone: 'UTC',
  /** A backend whose client is gone notices within this time; Postgres 14 and later, where the platform can. */
  client_connection_check_interval: '500',
}

/** Keys of the startup packet that are no settings: they would change who logs in, and where. */
const RESERVED = ['user', 'database', 'replication', 'options']

/** The only ones that PgBouncer takes in a startup packet; it gives them to each server connection again. */
const TRACKED: ReadonlySet<string> = new Set([
  'client_encoding',
  'datestyle',
  'timezone',
  'standard_conforming_strings',
  'application_name',
])

/**
 * What the startup packet may hold. Through a pooler it refuses the rest (`08P01`).
 * @throws as `sessionSettings`
 */
export function startupSettings(target: ConnectionTarget): Record<string, string> {
  const settings = sessionSettings(target)
  if (target.via === undefined || target.via === 'direct') return settings
  return Object.fromEntries(Object.entries(settings).filter(([name]) => TRACKED.has(name.toLowerCase())))
}

/**
 * The settings that a session is to have. Names are compared as Postgres does, without case.
 * @throws {InvalidRequestError} for a setting that may not be given, or a NUL byte, which would end a field; for an
 * empty one, which the driver leaves out in silence (postgres.js 3.4.9).
 */
export function sessionSettings(target: ConnectionTarget): Record<string, string> {
  const given = Object.entries(target.settings ?? {})
  const fixed = new Set([...RESERVED, ...Object.keys(PINNED)].map((name) => name.toLowerCase()))
  const refused = given.find(([name]) => fixed.has(name.toLowerCase()))
  if (refused) throw new InvalidRequestError(`The session setting ${refused[0]} may not be given.`)
  const empty = given.find(([, value]) => value === '')
  if (empty) throw new InvalidRequestError(`The session setting ${empty[0]} is empty.`)
  const overridden = new Set(given.map(([name]) => name.toLowerCase()))
  const defaults = Object.entries(DEFAULTS).filter(([name]) => !overridden.has(name.toLowerCase()))
  const settings = [...Object.entries(PINNED), ...defaults, ...given]
  if ([target.user, target.database, ...settings.flat()].some((text) => text.includes('\0')))
    throw new InvalidRequestError('A role, database or session setting holds a NUL byte.')
  return Object.fromEntries(settings)
}
