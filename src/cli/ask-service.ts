import type { Command } from 'commander'
import { z } from 'zod'
import { ForbiddenError, InvalidRequestError, ServerUnavailableError, UnauthorizedError } from '../errors.ts'
import { type CommandLine, globalsOf } from './command-line.ts'
import { settingsFor } from './settings.ts'

const TIMEOUT_MS = 10_000

export interface ServiceRequest {
  readonly method?: 'GET' | 'POST'
  /** Sent as JSON. */
  readonly body?: unknown
  /** Statuses whose body is an answer too, and no problem. */
  readonly alsoAnswers?: readonly number[]
}

/**
 * Asks the operator plane of a running service.
 * @throws {ServerUnavailableError} when nobody answers there; {UnauthorizedError | ForbiddenError} for the key.
 */
export async function askService(
  cli: CommandLine,
  command: Command,
  path: string,
  { alsoAnswers = [], ...request }: ServiceRequest = {},
): Promise<unknown> {
  const { opsUrl, operatorKey } = settingsFor(cli, globalsOf(command))
  if (operatorKey === undefined) {
    throw new InvalidRequestError(
      'no operator key: set TENANTRY_OPERATOR_KEY (`tenantry key create --operator viewer`)',
    )
  }
  const response = await ask(new URL(path, opsUrl), operatorKey.reveal(), request)
  if (response.status === 401) throw new UnauthorizedError(`${opsUrl} does not know the key`)
  if (response.status === 403) throw new ForbiddenError(`the role of the key does not reach ${path}`)
  const body: unknown = await response.json().catch(() => undefined)
  const problem = Problem.safeParse(body)
  // By its type: a page of a proxy in between may have the status, too.
  if (response.ok || (alsoAnswers.includes(response.status) && !problem.success)) return body
  const detail = problem.success ? `: ${problem.data.detail}` : ''
  throw new ServerUnavailableError(`${opsUrl}${path} answered ${response.status}${detail}`)
}

const Problem = z.looseObject({ code: z.string(), detail: z.string() })

async function ask(
  url: URL,
  key: string,
  { method = 'GET', body }: Omit<ServiceRequest, 'alsoAnswers'>,
): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error', // the key is for this address
    })
  } catch (cause) {
    throw new ServerUnavailableError(`no service answers at ${url.origin}`, { cause })
  }
}
