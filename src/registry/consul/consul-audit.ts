import { z } from 'zod'
import { RegistryUnavailableError } from '../../errors.ts'
import {
  type AuditHead,
  KeptAudit,
  NO_HEAD,
  passesTrail,
  type TrailEntry,
  type TrailFilter,
  type TrailPage,
} from '../audit/audit-trail.ts'
import { pageSize } from '../list-filter.ts'
import type { ConsulClient, Item } from './consul-client.ts'
import type { ConsulKeys } from './consul-keys.ts'
import { parseJson } from './consul-log.ts'

/** The last link and Consul's own index of the key that holds it; 0 where there is none yet. */
export type ConsulHead = AuditHead & { readonly index: number }

const Stored = z.object({ link: z.int().positive(), mac: z.string() })

/** @throws {RegistryUnavailableError} when the key holds something else: then no link can be added. */
export function parseHead(item: Item | undefined): ConsulHead {
  if (item === undefined) return { ...NO_HEAD, index: 0 }
  const parsed = Stored.safeParse(parseJson(item.value))
  if (!parsed.success)
    throw new RegistryUnavailableError("the head of the registry's audit in Consul is not one of ours")
  return { ...parsed.data, index: item.index }
}

/** Reads the names of all entries, and the values of as many as the page needs. */
export async function readTrail(
  client: ConsulClient,
  keys: ConsulKeys,
  cursor: string | undefined,
  filter: TrailFilter,
  signal: AbortSignal | undefined,
): Promise<TrailPage> {
  // Before the names: the entries may then be newer than the head, never older.
  const { link, mac } = parseHead(await client.get(keys.auditHead, signal))
  const isOldest = filter.order === 'oldest'
  const names = (await client.keys(keys.audits, signal))
    .map((key) => key.slice(keys.audits.length))
    .filter((name) => /^\d{15}(?:$|[-.])/.test(name))
    .filter((name) => cursor === undefined || (isOldest ? name > cursor : name < cursor))
    .sort((a, b) => (a < b === isOldest ? -1 : 1))
  const size = pageSize(filter)
  const found: TrailEntry[] = []
  // One more than the page holds, to know whether there is a next one.
  for (let start = 0; start < names.length && found.length <= size; start += size) {
    const some = names.slice(start, start + size)
    const items = await client.getMany(
      some.map((name) => keys.audits + name),
      signal,
    )
    const read = new Map(items.map((item) => [item.key.slice(keys.audits.length), item]))
    for (const position of some) {
      const entry = { position, audit: auditOf(position, read.get(position)) }
      if (passesTrail(entry.audit, filter)) found.push(entry)
    }
  }
  const entries = found.slice(0, size)
  const next = found.length > size ? entries.at(-1)?.position : undefined
  return { entries, next, head: { link, mac } }
}

/** Versions before kept the revision in the name alone. */
function auditOf(position: string, item: Item | undefined): KeptAudit | undefined {
  const stored = parseJson(item?.value ?? '')
  if (typeof stored !== 'object' || stored === null) return undefined
  const parsed = KeptAudit.safeParse({ revision: Number(position.slice(0, 15)), ...stored })
  return parsed.success ? parsed.data : undefined
}
