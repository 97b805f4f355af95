import { z } from 'zod'
import { RegistryUnavailableError } from '../../errors.ts'
import type { ChangeLog } from '../change-log.ts'
import { KINDS } from '../record-schema.ts'
import type { Item } from './consul-client.ts'

/** The change log and Consul's own index of the key that holds it. */
export interface ConsulLog extends ChangeLog {
  readonly index: number
}

const Stored = z.strictObject({
  revision: z.int().nonnegative(),
  /** Oldest first: revision, kind, id. */
  changes: z.array(z.tuple([z.int().positive(), z.enum(KINDS), z.string()])),
})

/** @throws {RegistryUnavailableError} when the key is gone or holds something else: then no commit is safe. */
export function parseLog(item: Item | undefined): ConsulLog {
  const parsed = item === undefined ? undefined : Stored.safeParse(parseJson(item.value))
  if (item === undefined || !parsed?.success) {
    throw new RegistryUnavailableError("the registry's change log is not in Consul any more, or is not ours")
  }
  const { revision, changes } = parsed.data
  return {
    index: item.index,
    revision,
    changes: changes.map(([changed, kind, id]) => ({ revision: changed, kind, id })),
  }
}

export function formatLog({ revision, changes }: ChangeLog): string {
  return JSON.stringify({ revision, changes: changes.map((c) => [c.revision, c.kind, c.id]) })
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
