import { Directory } from '../../src/registry/directory.ts'
import type { DirectoryOptions } from '../../src/registry/directory-options.ts'
import { ControlledRegistry } from './controlled-registry.ts'
import { tenant } from './records.ts'

/** A directory that has heard its registry's first word, on a registry that holds `acme`. */
export async function startDirectory(options: DirectoryOptions = {}) {
  const registry = new ControlledRegistry()
  registry.put(tenant('acme'))
  const faults: unknown[] = []
  const directory = new Directory(registry, options, (fault) => faults.push(fault))
  await registry.heard()
  return { registry, directory, faults, [Symbol.asyncDispose]: () => directory.close() }
}
