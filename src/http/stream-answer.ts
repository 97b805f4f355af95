import type { Context } from 'hono'
import type { HeldAnswer } from '../query/held-bytes.ts'
import type { StreamTarget } from '../query/run-stream.ts'
import { CsvFormat, NdjsonFormat, type StreamFormat } from '../query/stream-format.ts'
import type { AnswerTerms } from './large-answer.ts'
import { asTenantryError, problemOf } from './problem.ts'
import { outgoingOf, type TenantEnv } from './request-context.ts'
import { observeBroken } from './request-observation.ts'
import { StreamedBody } from './streamed-body.ts'

export const STREAM_FORMATS = ['ndjson', 'csv'] as const
export type StreamFormatName = (typeof STREAM_FORMATS)[number]

const CONTENT_TYPE: Record<StreamFormatName, string> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8; header=present',
}

/** What a stream is run with. */
export interface StreamRun {
  readonly format: StreamFormat
  readonly target: StreamTarget
  readonly held: HeldAnswer
  /** Aborts when the client has gone, to the last byte. */
  readonly signal: AbortSignal
}

/**
 * Answers with what `run` writes, while it writes. Errors before the first byte are thrown; a later one is the
 * last line, or, in a format that has no place for it, breaks the body off.
 */
export async function answerStream(
  c: Context<TenantEnv>,
  terms: AnswerTerms,
  name: StreamFormatName,
  rowMode: 'object' | 'array',
  run: (stream: StreamRun) => Promise<void>,
): Promise<Response> {
  const body = new StreamedBody(terms.stallMs, outgoingOf(c))
  const ended = written(c, terms, name, body, () => {
    const format = name === 'csv' ? new CsvFormat() : new NdjsonFormat(rowMode)
    const held = terms.held.open(c.get('caller').tenant.id)
    const signal = AbortSignal.any([c.get('signal'), body.gone])
    return run({ format, target: body, held, signal }).finally(() => held[Symbol.dispose]())
  })
  await Promise.race([ended, body.begun])
  return new Response(body.readable, { headers: { 'content-type': CONTENT_TYPE[name] } })
}

/** Rejects only while the answer has not begun. */
async function written(
  c: Context<TenantEnv>,
  terms: AnswerTerms,
  name: StreamFormatName,
  body: StreamedBody,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run()
    body.end()
  } catch (cause) {
    if (!body.hasBegun) throw cause
    const error = asTenantryError(cause)
    const problem = problemOf(error, c.get('requestId'))
    if (name === 'csv') body.breakOff(error)
    else body.end(Buffer.from(`${JSON.stringify({ error: problem })}\n`))
    observeBroken(c.get('requestId'), error, problem.status, terms)
  }
}
