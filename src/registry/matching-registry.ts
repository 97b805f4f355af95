import { RevisionNotMatchedError } from '../errors.ts'
import type { Expectation, Registry } from './registry.ts'

/**
 * The same registry, for one change that its caller decided on a revision that he has seen: whoever reads the record
 * at another one is refused, and until a commit has changed the record, every commit expects that revision. After
 * that the change goes on as any other.
 */
export function matching(registry: Registry, wanted: Expectation): Registry {
  let isMatched = false
  const isWanted = ({ kind, id }: Pick<Expectation, 'kind' | 'id'>) =>
    kind === wanted.kind && id === wanted.id
  const refuseOther = (found: number) => {
    if (!isMatched && found !== wanted.revision) throw new RevisionNotMatchedError(wanted.revision, found)
  }
  return {
    get id() {
      return registry.id
    },
    find: async (kind, id, signal) => {
      const entry = await registry.find(kind, id, signal)
      if (entry !== undefined && isWanted(entry)) refuseOther(entry.revision)
      return entry
    },
    findByAlias: (kind, value, signal) => registry.findByAlias(kind, value, signal),
    list: (kind, cursor, filter, signal) => registry.list(kind, cursor, filter, signal),
    tenantsByServer: (signal) => registry.tenantsByServer(signal),
    commit: async (commit, expectations) => {
      if (isMatched) return registry.commit(commit, expectations)
      const own = expectations.find(isWanted)
      if (own !== undefined) refuseOther(own.revision)
      const revisions = await registry.commit(
        commit,
        own === undefined ? [...expectations, wanted] : expectations,
      )
      isMatched = [...(commit.puts ?? []), ...(commit.removes ?? [])].some(isWanted)
      return revisions
    },
    auditTrail: (cursor, filter, signal) => registry.auditTrail(cursor, filter, signal),
    nextGeneration: () => registry.nextGeneration(),
    changes: (position, signal) => registry.changes(position, signal),
    close: () => registry.close(),
    [Symbol.asyncDispose]: () => registry.close(),
  }
}
