import type { Change, Registry } from './registry.ts'

/**
 * The same registry; each commit that holds is announced before it resolves. So what this process changed is
 * known to its own directory at once, without waiting to hear of it.
 */
export function announcing(registry: Registry, announce: (change: Change) => void): Registry {
  return {
    id: registry.id,
    find: (kind, id, signal) => registry.find(kind, id, signal),
    findByAlias: (kind, value, signal) => registry.findByAlias(kind, value, signal),
    list: (kind, cursor, filter, signal) => registry.list(kind, cursor, filter, signal),
    commit: async (commit, expectations) => {
      const revisions = await registry.commit(commit, expectations)
      commit.puts?.forEach(({ kind, id }, index) => {
        const revision = revisions[index]
        if (revision !== undefined) announce({ kind, id, revision })
      })
      return revisions
    },
    nextGeneration: () => registry.nextGeneration(),
    changes: (position, signal) => registry.changes(position, signal),
    close: () => registry.close(),
    [Symbol.asyncDispose]: () => registry.close(),
  }
}
