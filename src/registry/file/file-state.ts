import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { InvalidConfigError } from '../../errors.ts'
import type { ChangeLog } from '../change-log.ts'
import type { Change, Commit, Entry, Kind } from '../registry.ts'

/**
 * Everything a registry file says. Never changed: each change makes a new one that shares what stayed.
 * As read from a file, a record that a hand wrote without revision has 0.
 */
export interface FileState extends ChangeLog {
  readonly id: string
  readonly generation: number
  readonly entries: ReadonlyMap<string, Entry>
}

export function emptyState(): FileState {
  return { id: randomUUID(), generation: 0, revision: 0, entries: new Map(), changes: [] }
}

export function entryKey(kind: Kind, id: string): string {
  return `${kind} ${id}`
}

export function withCommit(state: FileState, commit: Commit, maxChanges: number): FileState {
  const entries = new Map(state.entries)
  const changes: Change[] = []
  let revision = state.revision
  for (const { kind, id, record } of commit.puts ?? []) {
    revision++
    entries.set(entryKey(kind, id), { kind, id, revision, record })
    changes.push({ kind, id, revision })
  }
  for (const { kind, id } of commit.removes ?? []) {
    if (!entries.delete(entryKey(kind, id))) continue
    revision++
    changes.push({ kind, id, revision })
  }
  return { ...state, entries, revision, changes: [...state.changes, ...changes].slice(-maxChanges) }
}

/**
 * Takes over what another process or a hand wrote. A hand does not raise revisions, so what differs from
 * the state before and is not in the log is given a revision here. Revisions and generations never go
 * back, also when an older file is put in place.
 * @returns `stamped`: the file does not say yet what the state says, and must be written.
 */
export function takeOver(
  before: FileState | undefined,
  read: FileState,
  maxChanges: number,
): { state: FileState; stamped: boolean } {
  const known = before?.revision ?? 0
  const since = new Map(
    read.changes.filter((c) => c.revision > known).map((c) => [entryKey(c.kind, c.id), c.revision]),
  )
  // The log no longer reaches back to us, so what is not in it may be the work of a process all the same.
  const isAllUnseen = before === undefined || (read.changes[0]?.revision ?? 0) > known + 1
  const entries = new Map<string, Entry>()
  const stamps: Change[] = []
  let revision = Math.max(known, read.revision)
  const stamp = (kind: Kind, id: string) => {
    stamps.push({ kind, id, revision: ++revision })
    return revision
  }
  for (const [key, entry] of read.entries) {
    const was = before?.entries.get(key)
    const isProcessMade = isAllUnseen
      ? entry.revision > known && entry.revision <= read.revision
      : since.get(key) === entry.revision
    if (was?.revision === entry.revision && isDeepStrictEqual(was.record, entry.record)) entries.set(key, was)
    else if (isProcessMade) entries.set(key, entry)
    else entries.set(key, { ...entry, revision: stamp(entry.kind, entry.id) })
  }
  for (const [key, { kind, id }] of before?.entries ?? []) {
    if (!read.entries.has(key) && !since.has(key) && !isAllUnseen) stamp(kind, id)
  }
  const isOlder = read.revision < known
  const log = isOlder && before !== undefined ? before.changes : read.changes
  const generation = Math.max(before?.generation ?? 0, read.generation, highestGeneration(entries))
  return {
    state: { id: read.id, generation, entries, revision, changes: [...log, ...stamps].slice(-maxChanges) },
    stamped: stamps.length > 0 || isOlder || generation !== read.generation,
  }
}

/**
 * A hand that empties or cuts the file does so by mistake far more often than to remove everyone at once.
 * @throws {InvalidConfigError} when more than half of the entries are gone and no process says that it removed them.
 */
export function refuseShrunken(before: FileState, read: FileState, file: string): void {
  // The log no longer reaches back to us: processes may have removed them.
  if ((read.changes[0]?.revision ?? 0) > before.revision + 1) return
  const since = read.changes.filter(({ revision }) => revision > before.revision)
  const logged = new Set(since.map(({ kind, id }) => entryKey(kind, id)))
  let gone = 0
  for (const key of before.entries.keys()) if (!read.entries.has(key) && !logged.has(key)) gone++
  if (gone < 2 || gone <= before.entries.size / 2) return
  throw new InvalidConfigError([
    `${file}: ${gone} of ${before.entries.size} records are gone at once; where that is meant, remove at most half at a time`,
  ])
}

function highestGeneration(entries: ReadonlyMap<string, Entry>): number {
  let highest = 0
  for (const { record } of entries.values()) {
    if ('generation' in record) highest = Math.max(highest, record.generation)
  }
  return highest
}
