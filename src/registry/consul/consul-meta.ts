import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { RegistryTooNewError, RegistryUnavailableError } from '../../errors.ts'
import type { ConsulClient } from './consul-client.ts'
import type { ConsulKeys } from './consul-keys.ts'
import { formatLog, parseJson } from './consul-log.ts'

const SCHEMA_VERSION = 1
const Meta = z.object({ id: z.uuid(), schema: z.int(), readableFrom: z.int() })

/**
 * Undefined where there is no registry.
 * @throws {RegistryTooNewError | RegistryUnavailableError} the latter also when the key holds something else.
 */
export async function readMeta(client: ConsulClient, keys: ConsulKeys) {
  const item = await client.get(keys.meta)
  if (item === undefined) return undefined
  const meta = Meta.safeParse(parseJson(item.value))
  if (!meta.success) throw new RegistryUnavailableError(`${keys.meta} in Consul is not a registry of ours`)
  if (meta.data.readableFrom > SCHEMA_VERSION) {
    throw new RegistryTooNewError(
      `the registry in Consul needs schema ${meta.data.readableFrom}, this process knows ${SCHEMA_VERSION}`,
    )
  }
  return meta.data
}

/** Makes the registry where there is none. @returns its id. */
export async function prepare(client: ConsulClient, keys: ConsulKeys): Promise<string> {
  const there = await readMeta(client, keys)
  if (there !== undefined) return there.id
  const meta = { id: randomUUID(), schema: SCHEMA_VERSION, readableFrom: SCHEMA_VERSION }
  await client.commit([
    { verb: 'cas', key: keys.meta, value: JSON.stringify(meta), index: 0 },
    { verb: 'cas', key: keys.log, value: formatLog({ revision: 0, changes: [] }), index: 0 },
    { verb: 'cas', key: keys.generation, value: '0', index: 0 },
  ])
  // Another process may have been first.
  const made = await readMeta(client, keys)
  if (made === undefined) throw new RegistryUnavailableError(`${keys.meta} in Consul is gone again`)
  return made.id
}
