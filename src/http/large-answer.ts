import type { Context } from 'hono'
import type { HeldAnswer, HeldBytes } from '../query/held-bytes.ts'
import type { Log } from '../telemetry/log.ts'
import { jsonAnswer } from './json-answer.ts'
import { asTenantryError } from './problem.ts'
import { outgoingOf, type TenantEnv } from './request-context.ts'
import { logError } from './request-observation.ts'
import { StreamedBody } from './streamed-body.ts'

/** What answers of any size share. */
export interface AnswerTerms {
  readonly held: HeldBytes
  /** Milliseconds that a client may take for the next part. */
  readonly stallMs: number
  readonly log: Log
}

/** Characters of an answer that is given to the socket as a whole. */
const WHOLE_LENGTH = 262_144
const PART_BYTES = 65_536

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
    if (text.length > WHOLE_LENGTH) return inParts(c, terms, text, held)
    held[Symbol.dispose]()
    return jsonAnswer(text)
  } catch (error) {
    held[Symbol.dispose]()
    throw error
  }
}

function inParts(c: Context<TenantEnv>, terms: AnswerTerms, text: string, held: HeldAnswer): Response {
  const bytes = Buffer.from(text)
  held.shrinkTo(bytes.length)
  const body = new StreamedBody(terms.stallMs, outgoingOf(c))
  const failed = (cause: unknown) => {
    const status = 499 // nobody reads it
    logError(terms.log, asTenantryError(cause), { plane: 'tenant', requestId: c.get('requestId'), status })
  }
  void writeParts(body, bytes)
    .catch(failed)
    .finally(() => held[Symbol.dispose]())
  return new Response(body.readable, {
    headers: { 'content-type': 'application/json', 'content-length': String(bytes.length) },
  })
}

/** Rejects when the client has gone, or does not read. */
async function writeParts(body: StreamedBody, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += PART_BYTES) await body.write(bytes.subarray(at, at + PART_BYTES))
  body.end()
}
