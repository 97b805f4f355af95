import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import type { Commit, Put, Registry } from '../../src/registry/registry.ts'

/**
 * Parts of a process that another one comes between: `work` runs once, before the first commit that `isWhen` says, as
 * it may where the two are two processes.
 */
export function beforeCommit(
  parts: LifecycleParts,
  isWhen: (commit: Commit) => boolean,
  work: () => Promise<unknown>,
): LifecycleParts {
  return interposed(parts, async (wanted, commit) => {
    if (!isWhen(wanted)) return commit()
    await work()
    return commit()
  })
}

/** As `beforeCommit`, when that commit has happened. */
export function afterCommit(
  parts: LifecycleParts,
  isWhen: (commit: Commit) => boolean,
  work: () => Promise<unknown>,
): LifecycleParts {
  return interposed(parts, async (wanted, commit) => {
    const revisions = await commit()
    if (isWhen(wanted)) await work()
    return revisions
  })
}

type Between = (
  wanted: Commit,
  commit: () => ReturnType<Registry['commit']>,
) => ReturnType<Registry['commit']>

/** Until `between` came to an end once, and something else than the commit ran. */
function interposed(parts: LifecycleParts, between: Between): LifecycleParts {
  const { registry } = parts
  const commit: Registry['commit'] = (wanted, expectations) =>
    between(wanted, () => registry.commit(wanted, expectations))
  return { ...parts, registry: instead(registry, { commit }) }
}

/** Whether a commit is the first of this action that it is asked of. */
export function firstOf(action: string): (commit: Commit) => boolean {
  let isOver = false
  return ({ audit }) => {
    if (isOver || audit.action !== action) return false
    isOver = true
    return true
  }
}

/** Parts of a process that another one comes between: `work` runs once, after it read the tenant first. */
export function afterFirstRead(parts: LifecycleParts, work: () => Promise<unknown>): LifecycleParts {
  const { registry } = parts
  let isOver = false
  const find: Registry['find'] = async (kind, id, signal) => {
    const entry = await registry.find(kind, id, signal)
    if (kind === 'tenant' && !isOver) {
      isOver = true
      await work()
    }
    return entry
  }
  return { ...parts, registry: instead(registry, { find }) }
}

const HOUR_MS = 3_600_000

/** Parts of a process whose clock is an hour behind, as others read in the registry how long it holds an operation. */
export function lagging(parts: LifecycleParts): LifecycleParts {
  const { registry } = parts
  const behind = (put: Put): Put => {
    if (put.kind !== 'operation' || put.record.holder === null) return put
    const until = new Date(Date.parse(put.record.holder.until) - HOUR_MS).toISOString()
    return { ...put, record: { ...put.record, holder: { ...put.record.holder, until } } }
  }
  const commit: Registry['commit'] = ({ puts = [], ...wanted }, expectations) =>
    registry.commit({ ...wanted, puts: puts.map(behind) }, expectations)
  return { ...parts, registry: instead(registry, { commit }) }
}

/** The same registry, but for some of its methods. */
export function instead(registry: Registry, own: Partial<Registry>): Registry {
  return new Proxy(registry, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(own, name) ? own : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
