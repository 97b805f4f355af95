import { Secret } from '../secret.ts'
import { openRegistry, pathOf, schemeOf } from './open-registry.ts'

/** From which version of its schema a registry is brought to which. */
export interface RegistryMigration {
  readonly backend: 'file' | 'postgres' | 'consul'
  /** 0 where there is no registry yet. */
  readonly from: number
  readonly to: number
  /** The schema that a process must know, at least, to go on afterwards. */
  readonly readableFrom: number
  /** What leads there, in order. */
  readonly steps: readonly string[]
}

/**
 * Brings a registry's schema to what this version knows. Where it is there already, nothing is changed.
 * @param isDry only tells.
 * @throws {InvalidConfigError | InvalidDsnError | RegistryUnavailableError | RegistryTooNewError}
 */
export async function migrateRegistry(url: string | Secret, isDry: boolean): Promise<RegistryMigration> {
  const text = (url instanceof Secret ? url.reveal() : url).trim()
  const scheme = schemeOf(text)
  if (scheme.startsWith('postgres')) {
    const { PostgresRegistry } = await import('./postgres/postgres-registry.ts')
    return { backend: 'postgres', ...(await PostgresRegistry.migrate(new Secret(text), isDry)) }
  }
  const [backend, version] =
    scheme === 'file'
      ? (['file', await fileVersion(text)] as const)
      : (['consul', await consulVersion(text)] as const)
  // There was one version only so far: to open it makes it.
  if (version === 0 && !isDry) await (await openRegistry(text)).close()
  return {
    backend,
    from: version,
    to: Math.max(version, 1),
    readableFrom: 1,
    steps: version === 0 ? ['new'] : [],
  }
}

async function fileVersion(url: string): Promise<number> {
  const { schemaOfFile } = await import('./file/registry-file.ts')
  return schemaOfFile(pathOf(url))
}

async function consulVersion(url: string): Promise<number> {
  const { ConsulRegistry } = await import('./consul/consul-registry.ts')
  return ConsulRegistry.schemaOf(new Secret(url))
}
