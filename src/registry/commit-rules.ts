import { InternalError } from '../errors.ts'
import { refuseMalformedPut } from './record-schema.ts'
import type { Commit, Expectation } from './registry.ts'

/**
 * What every backend asks of a commit before it touches anything.
 * @throws {InvalidRequestError} for a malformed record.
 * @throws {InternalError} when a change has no expectation, or one entry is named twice.
 */
export function refuseMalformedCommit(commit: Commit, expectations: readonly Expectation[]): void {
  const expected = new Set(expectations.map(nameOf))
  if (expected.size !== expectations.length) throw new InternalError('two expectations name one entry')
  const changed = new Set<string>()
  for (const change of [...(commit.puts ?? []), ...(commit.removes ?? [])]) {
    const name = nameOf(change)
    if (!expected.has(name)) throw new InternalError(`the commit changes ${name} without an expectation`)
    if (changed.has(name)) throw new InternalError(`the commit changes ${name} twice`)
    changed.add(name)
  }
  commit.puts?.forEach(refuseMalformedPut)
}

function nameOf(entry: { readonly kind: string; readonly id: string }): string {
  return `${entry.kind} ${entry.id}`
}
