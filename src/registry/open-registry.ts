import { fileURLToPath } from 'node:url'
import { InvalidConfigError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { AuditKey } from './audit/audit-key.ts'
import type { Registry } from './registry.ts'

export interface OpenRegistryOptions {
  /** Hears of what goes wrong in the background: a faulty file, a watch that was cut. */
  readonly onFault?: (fault: Error) => void
  /** Ends the opening, not what was opened. */
  readonly signal?: AbortSignal
  /** Seals what is written into the audit. Default: it stays unsealed. */
  readonly auditKey?: AuditKey | undefined
  /** Whether a Postgres registry of an older schema is brought to what this version knows. Default: true. */
  readonly migrate?: boolean
}

/**
 * Opens the registry that a URL names: `postgres://…`, `consul://…` or `file:PATH`. Only the backend that is
 * asked for is loaded. The caller closes it.
 * @throws {InvalidConfigError} for a URL of another kind, or one that its backend does not understand.
 * @throws {InvalidDsnError | RegistryUnavailableError | RegistryTooNewError | RegistryTooOldError}
 */
export async function openRegistry(
  url: string | Secret,
  options: OpenRegistryOptions = {},
): Promise<Registry> {
  const text = (url instanceof Secret ? url.reveal() : url).trim()
  switch (schemeOf(text)) {
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

/** In lower case, without its colon. */
export function schemeOf(url: string): string {
  return url.slice(0, url.indexOf(':')).toLowerCase()
}

/** `file:///absolute` is a URL, with its escapes; `file:path` is a path as it stands. */
export function pathOf(text: string): string {
  const path = text.startsWith('file:///') ? fileURLToPath(text) : text.slice('file:'.length)
  if (path === '' || path.startsWith('//')) {
    throw new InvalidConfigError(['registry URL: expected file:PATH or file:///PATH'])
  }
  return path
}
