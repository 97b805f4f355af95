import type { Change, Registry } from './registry.ts'

/**
 * The same registry; what a commit that holds has put and removed is announced before it resolves. So what this
 * process changed is known to its own directory at once, without waiting to hear of it.
 */
export function announcing(registry: Registry, announce: (change: Change) => void): Registry {
  return {
    // Asked each time: that of a registry that has not answered yet is not known.
    get id() {
      return registry.id
    },
    find: (kind, id, signal) => registry.find(kind, id, signal),
    findByAlias: (kind, value, signal) => registry.findByAlias(kind, value, signal),
    list: (kind, cursor, filter, signal) => registry.list(kind, cursor, filter, signal),
    tenantsByServer: (signal) => registry.tenantsByServer(signal),
    commit: async (commit, expectations) => {
      const revisions = await registry.commit(commit, expectations)
      commit.puts?.forEach(({ kind, id }, index) => {
        const revision = revisions[index]
        if (revision !== undefined) announce({ kind, id, revision })
      })
      for (const { kind, id } of commit.removes ?? []) {
        const was = expectations.find((expected) => expected.kind === kind && expected.id === id)
        // Backends do not say which one a removal got; it is beyond what was removed.
        if (was !== undefined) announce({ kind, id, revision: was.revision + 1 })
      }
      return revisions
    },
    auditTrail: (cursor, filter, signal) => registry.auditTrail(cursor, filter, signal),
    nextGeneration: () => registry.nextGeneration(),
    changes: (position, signal) => registry.changes(position, signal),
    close: () => registry.close(),
    [Symbol.asyncDispose]: () => registry.close(),
  }
}
