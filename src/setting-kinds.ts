import { z } from 'zod'
import { Secret } from './secret.ts'

/** Beside each setting: what is allowed, in words for whoever got it wrong, and whether its value is hidden. */
interface About {
  readonly allowed: string
  readonly secret?: true
}
export const about = z.registry<About>()

/** `12abc`, `1e3`, `0x10` and ` 5` are refused, which `Number()` alone would take. */
export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^(?:0|[1-9]\d*)$/)
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .optional()
    .register(about, { allowed: `an integer from ${min} to ${max}` })

export const text = (pattern: RegExp, allowed: string) =>
  z.string().regex(pattern).optional().register(about, { allowed })

/** Several, with commas between them. */
export const list = (isAllowed: (item: string) => boolean, allowed: string) =>
  z
    .string()
    .transform((value) => value.split(',').map((item) => item.trim()))
    .pipe(z.array(z.string().refine(isAllowed)))
    .optional()
    .register(about, { allowed })

export const secret = (pattern: RegExp, allowed: string) =>
  z
    .string()
    .regex(pattern)
    .transform((value) => new Secret(value.trim()))
    .optional()
    .register(about, { allowed, secret: true })
