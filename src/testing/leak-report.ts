import type { Trace } from './leak-traces.ts'

/** A marker in an answer, its owner's or another's. */
export interface Sighting {
  /** As `GET /projects`. */
  readonly what: string
  /** Who asked. */
  readonly as: string
  /** Who stored it. */
  readonly owner: string
  readonly marker: string
  readonly when: 'written' | 'one after the other' | 'at the same time'
}

export type OwnedTrace = Trace & { readonly owner: string }

/**
 * What crossed, and what follows from where it was found.
 * @param traces undefined: nobody looked into the databases.
 * @returns undefined where nothing crossed.
 */
export function describeLeaks(
  sightings: readonly Sighting[],
  traces: readonly OwnedTrace[] | undefined,
): string | undefined {
  const shown = sightings.filter(({ as, owner }) => as !== owner)
  const misplaced = (traces ?? []).filter(({ tenant, owner }) => owner !== '' && tenant !== owner)
  if (shown.length === 0 && misplaced.length === 0) return undefined
  const lines = [
    ...grouped(shown, ({ what, as, owner }) => `${what} as ${as} showed what ${owner} had stored`),
    ...grouped(
      misplaced,
      ({ table, tenant, owner }) => `table ${table} in the database of ${tenant} holds what ${owner} stored`,
    ),
  ]
  return [
    'Tenants leak into each other:',
    ...lines.map((line) => `- ${line}`),
    causeOf(shown, misplaced, traces),
  ].join('\n')
}

function grouped<T extends { readonly marker: string }>(
  items: readonly T[],
  say: (item: T) => string,
): string[] {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(say(item), [...(groups.get(say(item)) ?? []), item])
  return [...groups].map(([line, [first, ...others]]) => {
    const count = others.length === 0 ? 'once' : `${others.length + 1} times`
    return `${line}, ${count}: ${first?.marker}`
  })
}

function causeOf(
  shown: readonly Sighting[],
  misplaced: readonly OwnedTrace[],
  traces: readonly OwnedTrace[] | undefined,
): string {
  const alone = shown.some(({ when }) => when !== 'at the same time')
  const order =
    alone || shown.length === 0
      ? ''
      : ' It showed only while both tenants had requests under way: look for a variable of the module that one request sets and another reads.'
  if (misplaced.length > 0) {
    return `Rows are in the wrong database: a handle of one tenant was used for another.${order}`
  }
  if (traces === undefined) return `Give \`tenancy\`, and the databases are searched, too.${order}`
  return `Every row is in its own database: the answer came from memory, as of a cache whose key has no tenant, or was read through a handle of the other tenant.${order}`
}
