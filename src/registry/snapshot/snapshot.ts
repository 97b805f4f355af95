import { z } from 'zod'
import { KINDS, parseStoredRecord } from '../record-schema.ts'
import type { Entry } from '../registry.ts'

/** A record that a directory held, and until when it was known to be true (wall clock, milliseconds). */
export interface SnapshotEntry {
  readonly entry: Entry
  readonly knownAt: number
}

/** What a directory held at one moment. */
export interface Snapshot {
  /** `Registry.id`. */
  readonly registry: string
  /** Wall clock, milliseconds: it is read by another process. */
  readonly writtenAt: number
  /** The most recently used ones first. */
  readonly entries: readonly SnapshotEntry[]
}

export const SNAPSHOT_VERSION = 1

/** The first line: what must be known before the signature can be checked, and it is signed as well. */
export const SnapshotHeader = z.object({
  tenantrySnapshot: z.int().positive(),
  /** The master key that the signature's key comes from. */
  kid: z.string(),
  registry: z.string(),
  /** The registry's address, without credentials. */
  source: z.string(),
  writtenAt: z.int(),
})
export type SnapshotHeader = z.output<typeof SnapshotHeader>

const Line = z.object({
  kind: z.enum(KINDS),
  id: z.string(),
  revision: z.int().positive(),
  knownAt: z.int(),
  record: z.unknown(),
})

export function formatEntry({ entry, knownAt }: SnapshotEntry): string {
  const { kind, id, revision, record } = entry
  return JSON.stringify({ kind, id, revision, knownAt, record })
}

/** @throws {ZodError | SyntaxError | AnswerRefusedError} for what this version cannot read. */
export function parseEntry(line: string): SnapshotEntry {
  const { kind, id, revision, knownAt, record } = Line.parse(JSON.parse(line))
  return { entry: { kind, id, revision, record: parseStoredRecord(kind, id, record) }, knownAt }
}
