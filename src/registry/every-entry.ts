import type { Entry, Kind, ListFilter, Registry } from './registry.ts'

const PAGE = 1_000

/** Every entry that passes the filter, in order of id, each page read when it is asked for. @throws as `Registry.list` */
export async function* everyEntry<K extends Kind>(
  registry: Registry,
  kind: K,
  filter: Omit<ListFilter, 'limit'> = {},
): AsyncGenerator<Entry<K>> {
  for (let cursor: string | undefined; ; ) {
    const page = await registry.list(kind, cursor, { ...filter, limit: PAGE })
    yield* page.entries
    if (page.next === undefined) return
    cursor = page.next
  }
}
