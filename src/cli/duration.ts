import { InvalidRequestError } from '../errors.ts'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * A time as `30d`, `12h`, `15m` or `90s`, in milliseconds.
 * @throws {InvalidRequestError} that names the option.
 */
export function durationMs(option: string, text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit]
  if (unitMs === undefined)
    throw new InvalidRequestError(`${option} must be a number with d, h, m or s, as 30d or 12h`)
  return Number(count) * unitMs
}
