import type { z } from 'zod'
import { integer } from './setting-kinds.ts'

/** 2^31 - 1: a longer `setTimeout` fires at once. */
const MAX_TIMER_MS = 2_147_483_647

/** What requests and their answers may take. */
export const ANSWER_SETTINGS = {
  MAX_BODY_BYTES: integer(1_024, 1_073_741_824),
  /** Rows of one JSON answer. */
  MAX_ROWS: integer(1, 10_000_000),
  /** Bytes that all JSON answers of this process may hold at once, and streams between two reads. */
  MAX_BUFFERED_BYTES: integer(1_048_576, 1_099_511_627_776),
  /** Bytes of one stream. */
  MAX_STREAM_BYTES: integer(1_024, 1_099_511_627_776),
  /** Milliseconds that a client may take for the next part of its answer. */
  STREAM_STALL_TIMEOUT_MS: integer(1, MAX_TIMER_MS),
}

export interface AnswerSettings {
  readonly maxBodyBytes: number
  readonly maxRows: number
  readonly maxBufferedBytes: number
  readonly maxStreamBytes: number
  readonly streamStallTimeoutMs: number
}

type Values = { readonly [Name in keyof typeof ANSWER_SETTINGS]?: z.output<(typeof ANSWER_SETTINGS)[Name]> }

/** A tenant may hold half of what all may, and that is to be two answers of the largest size at least. */
const DEFAULT_BUFFERED_BYTES = 134_217_728

/** @param maxResultBytes of one answer on the socket. */
export function answerSettings(values: Values, maxResultBytes: number): AnswerSettings {
  return {
    maxBodyBytes: values.MAX_BODY_BYTES ?? 1_048_576,
    maxRows: values.MAX_ROWS ?? 10_000,
    maxBufferedBytes: values.MAX_BUFFERED_BYTES ?? Math.max(DEFAULT_BUFFERED_BYTES, 4 * maxResultBytes),
    maxStreamBytes: values.MAX_STREAM_BYTES ?? 1_073_741_824,
    streamStallTimeoutMs: values.STREAM_STALL_TIMEOUT_MS ?? 30_000,
  }
}

/** Names without their prefix, and what holds. */
export function answerLines(settings: AnswerSettings): readonly (readonly [string, number])[] {
  return [
    ['MAX_BODY_BYTES', settings.maxBodyBytes],
    ['MAX_ROWS', settings.maxRows],
    ['MAX_BUFFERED_BYTES', settings.maxBufferedBytes],
    ['MAX_STREAM_BYTES', settings.maxStreamBytes],
    ['STREAM_STALL_TIMEOUT_MS', settings.streamStallTimeoutMs],
  ]
}
