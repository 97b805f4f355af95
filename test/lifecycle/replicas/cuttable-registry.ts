import { RegistryUnavailableError } from '../../../src/errors.ts'
import type { Registry } from '../../../src/registry/registry.ts'

export interface CuttableRegistry {
  readonly registry: Registry
  /** From now on it neither answers nor tells of changes, until it is joined again. */
  readonly cut: () => void
  readonly join: () => void
}

/** A registry as a replica has it that can be cut off from it. The replica does not close it. */
export function cuttable(registry: Registry): CuttableRegistry {
  let isCut = false
  const refuseIfCut = () => {
    if (isCut) throw new RegistryUnavailableError('this replica is cut off')
  }
  const heard = async function* (position: string | undefined, signal: AbortSignal) {
    refuseIfCut()
    for await (const batch of registry.changes(position, signal)) {
      refuseIfCut()
      yield batch
    }
  }
  const proxy = new Proxy(registry, {
    get(target, name) {
      if (name === 'changes') return heard
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (name !== 'close') refuseIfCut()
        return Reflect.apply(value, target, args)
      }
    },
  })
  return { registry: proxy, cut: () => (isCut = true), join: () => (isCut = false) }
}
