import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { InvalidRequestError } from '../errors.ts'
import { Secret } from '../secret.ts'
import { LoadTarget } from './load-target.ts'
import { OperatorPlane, type ServedTenant } from './operator-plane.ts'

/** What `.tenantry/demo.json` says; one written by hand for another service may look the same. */
const ServiceFile = z.object({
  url: z.url({ protocol: /^https?$/ }),
  opsUrl: z.url({ protocol: /^https?$/ }),
  serviceKey: z.string().min(1),
  operatorKey: z.string().min(1),
})

export const MAX_TENANTS = 10_000

export interface FoundTarget {
  readonly target: LoadTarget
  readonly plane?: OperatorPlane
}

/**
 * The target that a file spells out: url, key, and the database of each tenant.
 * @throws {InvalidRequestError} when it cannot be read or is not that.
 */
export async function targetFromFile(path: string): Promise<FoundTarget> {
  return { target: await read(path, LoadTarget) }
}

/**
 * The service that a file leads to, and the first `count` of its active tenants as the operator plane lists
 * them. With `create` they are tenants of our own, load-0001 and so on; those that are missing are provisioned.
 * @throws {InvalidRequestError} when there are too few.
 */
export async function targetFromService(path: string, count: number, create: boolean): Promise<FoundTarget> {
  const service = await read(path, ServiceFile)
  const plane = new OperatorPlane(service.opsUrl, new Secret(service.operatorKey))
  const found = create ? await provisioned(plane, count) : await plane.tenants(count)
  if (found.length === 0)
    throw new InvalidRequestError(`${service.opsUrl} has no active tenant; try --create`)
  const tenants = Object.fromEntries(found.map(({ id, database }) => [id, database]))
  return { target: LoadTarget.parse({ url: service.url, key: service.serviceKey, tenants }), plane }
}

/** One after the other: making a database is work for the whole server. */
async function provisioned(plane: OperatorPlane, count: number): Promise<ServedTenant[]> {
  const made: ServedTenant[] = []
  for (let number = 1; number <= count; number++) {
    made.push(await plane.provision(`load-${String(number).padStart(4, '0')}`))
  }
  return made
}

async function read<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new InvalidRequestError(`${path} cannot be read`, { cause })
  })
  const parsed = schema.safeParse(asJson(text))
  if (parsed.success) return parsed.data
  throw new InvalidRequestError(`${path} is not such a file: ${z.prettifyError(parsed.error)}`)
}

/** Undefined where it is none, which no schema takes. */
function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
