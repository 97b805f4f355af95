import { fileURLToPath } from 'node:url'
import { InvalidConfigError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { Registry } from './registry.ts'

export interface OpenRegistryOptions {
  /** Hears of what goes wrong in the background: a faulty file, a watch that was cut. */
  readonly onFault?: (fault: Error) => void
  /** Ends the opening, not what was opened. */
  readonly signal?: AbortSignal
}

/**
 * Opens the registry that a URL names: `postgres://…`, `consul://…` or `file:PATH`. Only the backend that is
 * asked for is loaded. The caller closes it.
 * @throws {InvalidConfigError} for a URL of another kind, or one that its backend does not understand.
 * @throws {InvalidDsnError | RegistryUnavailableError | RegistryTooNewError}
 */
export async function openRegistry(
  url: string | Secret,
  options: OpenRegistryOptions = {},
): Promise<Registry> {
  const text = (url instanceof Secret ? url.reveal() : url).trim()
  const scheme = text.slice(0, text.indexOf(':')).toLowerCase()
  switch (scheme) {
    case 'file': {
      const { FileRegistry } = await import('./file/file-registry.ts')
      return FileRegistry.open(pathOf(text), options)
    }
    case 'postgres':
    case 'postgresql': {
      const { PostgresRegistry } = await import('./postgres/postgres-registry.ts')
      return PostgresRegistry.open(new Secret(text), options)
    }
    case 'consul':
    case 'consul+http':
    case 'consul+https': {
      const { ConsulRegistry } = await import('./consul/consul-registry.ts')
      return ConsulRegistry.open(new Secret(text), options)
    }
    default:
      throw new InvalidConfigError(['registry URL: expected postgres://…, consul://… or file:PATH'])
  }
}

/** `file:///absolute` is a URL, with its escapes; `file:path` is a path as it stands. */
function pathOf(text: string): string {
  const path = text.startsWith('file:///') ? fileURLToPath(text) : text.slice('file:'.length)
  if (path === '' || path.startsWith('//')) {
    throw new InvalidConfigError(['registry URL: expected file:PATH or file:///PATH'])
  }
  return path
}
