import type { Context, Next } from 'hono'
import type { Admission } from '../limits/limiter.ts'
import { tellLimits } from './limit-headers.ts'
import { whenAnswered } from './when-answered.ts'

/** Runs what comes after: a request that its tenant's limits let in, and that counts until its answer is out. */
export async function runAdmitted(
  c: Context,
  { standing, passage }: Extract<Admission, { isAdmitted: true }>,
  next: Next,
): Promise<void> {
  try {
    await next()
  } finally {
    tellLimits(c, standing)
    whenAnswered(c, () => passage[Symbol.dispose]())
  }
}
