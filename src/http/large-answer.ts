import type { Context } from 'hono'
import type { HeldAnswer, HeldBytes } from '../query/held-bytes.ts'
import { onAnswerOver } from './client-gone.ts'
import { jsonAnswer } from './json-answer.ts'
import { asTenantryError } from './problem.ts'
import { outgoingOf, type TenantEnv } from './request-context.ts'
import { type Observation, observeBroken } from './request-observation.ts'
import { StreamedBody } from './streamed-body.ts'

/** What answers of any size share. */
export interface AnswerTerms extends Observation {
  readonly held: HeldBytes
  /** Milliseconds that a client may take for the next part. */
  readonly stallMs: number
}

/** Characters of an answer that is not worth counting once it has been made. */
const SMALL_LENGTH = 16_384
/** Bytes of an answer that is given to the socket as a whole. */
const WHOLE_BYTES = 131_072

/**
 * Answers with the JSON text that `run` makes. What it holds is counted until the client has taken it; a large
 * one goes in parts, so that a client that stops reading is noticed.
 */
export async function answerJson(
  c: Context<TenantEnv>,
  terms: AnswerTerms,
  run: (held: HeldAnswer) => Promise<string>,
): Promise<Response> {
  const held = terms.held.open(c.get('caller').tenant.id)
  try {
    const text = await run(held)
    const bytes = text.length > SMALL_LENGTH ? Buffer.byteLength(text) : 0
    held.shrinkTo(bytes)
    if (bytes > WHOLE_BYTES) return inParts(c, terms, Buffer.from(text), held)
    const outgoing = outgoingOf(c)
    if (bytes > 0 && outgoing) onAnswerOver(outgoing, () => held[Symbol.dispose]())
    else held[Symbol.dispose]()
    return jsonAnswer(text)
  } catch (error) {
    held[Symbol.dispose]()
    throw error
  }
}

function inParts(c: Context<TenantEnv>, terms: AnswerTerms, bytes: Uint8Array, held: HeldAnswer): Response {
  const body = new StreamedBody(terms.stallMs, outgoingOf(c))
  const failed = (cause: unknown) => {
    const status = 499 // nobody reads it
    observeBroken(c.get('requestId'), asTenantryError(cause), status, terms)
  }
  void body
    .write(bytes)
    .then(() => body.end(), failed)
    .finally(() => held[Symbol.dispose]())
  return new Response(body.readable, {
    headers: { 'content-type': 'application/json', 'content-length': String(bytes.length) },
  })
}
