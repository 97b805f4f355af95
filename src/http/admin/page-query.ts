import { z } from 'zod'

/** Entries of a page, as a query string has it. */
export const textLimit = (byDefault: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,3}$/, 'must be an integer from 1 to 1000')
    .transform(Number)
    .pipe(z.int().max(1000))
    .default(byDefault)
