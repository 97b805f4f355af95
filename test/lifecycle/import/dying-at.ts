import { InternalError, RegistryUnavailableError } from '../../../src/errors.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'

/** Parts of a process that stops dead at the nth commit of rows. */
export function dyingAt(parts: LifecycleParts, batch: number): LifecycleParts {
  let seen = 0
  const commit: LifecycleParts['registry']['commit'] = (...change) =>
    seen >= batch
      ? Promise.reject(new RegistryUnavailableError('this process is gone'))
      : parts.registry.commit(...change)
  const registry = new Proxy(parts.registry, {
    get(target, name) {
      if (name === 'commit') return commit
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const onStep = () => {
    seen += 1
    if (seen >= batch) throw new InternalError('the process is gone')
  }
  return { ...parts, registry, onStep, holdMs: 200 }
}
