import { InternalError, RegistryUnavailableError } from '../../src/errors.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import type { Commit, Registry } from '../../src/registry/registry.ts'

const GONE = 'the process is gone'

type Judge = (commit: Commit) => 'lives' | 'dies-before' | 'dies-after'

/** A registry in a process that can end at a commit: from then on it takes no more from it. */
function mortal(registry: Registry, judge: Judge): { readonly registry: Registry; readonly die: () => void } {
  let isDead = false
  const commit: Registry['commit'] = async (wanted, expectations) => {
    const verdict = judge(wanted)
    isDead ||= verdict === 'dies-before'
    if (isDead) throw new RegistryUnavailableError(GONE)
    const revisions = await registry.commit(wanted, expectations)
    isDead ||= verdict === 'dies-after' // it may have died while this one was under way: nobody hears of its answer
    if (isDead) throw new RegistryUnavailableError(GONE)
    return revisions
  }
  const proxy = new Proxy(registry, {
    get(target, name) {
      if (name === 'commit') return commit
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { registry: proxy, die: () => (isDead = true) }
}

/** Parts of a process that ends after the step ran and before that is kept: nothing of it is heard of any more. */
export function dyingAfter(parts: LifecycleParts, step: string): LifecycleParts {
  const { registry, die } = mortal(parts.registry, () => 'lives')
  const onStep = ({ name }: { name: string }) => {
    if (name !== step) return
    die()
    throw new InternalError(GONE)
  }
  return { ...parts, registry, onStep }
}

/** Parts of a process that ends just before, or just after, the commit of this action held. */
export function dyingAt(
  parts: LifecycleParts,
  when: 'dies-before' | 'dies-after',
  action: string,
): LifecycleParts {
  const { registry } = mortal(parts.registry, ({ audit }) => (audit.action === action ? when : 'lives'))
  return { ...parts, registry }
}

/** Those of the process that goes on: nobody else can be at an operation. */
export function successor(parts: LifecycleParts): LifecycleParts {
  return { ...parts, isAlone: true }
}

/** The one operation of a tenant that is under way on record. */
export async function runningOf(registry: Registry, tenant: string): Promise<string> {
  const { entries } = await registry.list('operation', undefined, { tenant, state: 'running' })
  const [entry] = entries
  if (entry === undefined || entries.length > 1)
    throw new Error(`${entries.length} operations of ${tenant} run`)
  return entry.id
}
