import type { Command } from 'commander'
import { ForbiddenError, InvalidRequestError, ServerUnavailableError, UnauthorizedError } from '../errors.ts'
import { type CommandLine, globalsOf } from './command-line.ts'
import { settingsFor } from './settings.ts'

const TIMEOUT_MS = 10_000

/**
 * Asks the operator plane of a running service.
 * @throws {ServerUnavailableError} when nobody answers there; {UnauthorizedError | ForbiddenError} for the key.
 */
export async function askService(cli: CommandLine, command: Command, path: string): Promise<unknown> {
  const { opsUrl, operatorKey } = settingsFor(cli, globalsOf(command))
  if (operatorKey === undefined) {
    throw new InvalidRequestError(
      'no operator key: set TENANTRY_OPERATOR_KEY (`tenantry key create --operator viewer`)',
    )
  }
  const response = await ask(new URL(path, opsUrl), operatorKey.reveal())
  if (response.status === 401) throw new UnauthorizedError(`${opsUrl} does not know the key`)
  if (response.status === 403) throw new ForbiddenError(`the role of the key does not reach ${path}`)
  if (!response.ok) throw new ServerUnavailableError(`${opsUrl}${path} answered ${response.status}`)
  return response.json()
}

async function ask(url: URL, key: string): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error', // the key is for this address
    })
  } catch (cause) {
    throw new ServerUnavailableError(`no service answers at ${url.origin}`, { cause })
  }
}
