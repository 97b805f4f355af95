import { TenantryError } from '../../errors.ts'
import { aliasId } from '../../registry/alias-record.ts'
import type { Directory } from '../../registry/directory.ts'
import { KeyId } from '../../registry/key-record.ts'
import type { Entry, Kind, Registry } from '../../registry/registry.ts'
import { isTenantId } from '../../tenant/tenant-id.ts'

/** One reading of what was asked for. */
export interface Attempt {
  readonly as: 'tenant id' | 'label before the base domain' | 'host name' | 'external id' | 'key id'
  readonly value: string
  /** Null where neither the registry nor this process could say. */
  readonly found: boolean | null
}

export interface Resolution {
  readonly tried: readonly Attempt[]
  readonly entry: Entry<'tenant'> | undefined
  /** What the registry failed with, where it did. */
  readonly registryError: string | null
}

/** How names become records: by the registry, and where that does not answer by what this process holds. */
export class Lookup {
  readonly #registry: Pick<Registry, 'find' | 'list'>
  readonly #directory: Pick<Directory, 'held'> | undefined
  readonly #timeoutMs: number
  #registryError: string | null = null

  constructor(
    registry: Pick<Registry, 'find' | 'list'>,
    directory: Pick<Directory, 'held'> | undefined,
    timeoutMs: number,
  ) {
    this.#registry = registry
    this.#directory = directory
    this.#timeoutMs = timeoutMs
  }

  /** Null while it answers. */
  get registryError(): string | null {
    return this.#registryError
  }

  /** Undefined: there is none. Null: nobody could say. */
  async find<K extends Kind>(kind: K, id: string): Promise<Entry<K> | undefined | null> {
    const read = await this.ask((registry, signal) => registry.find(kind, id, signal))
    if (read !== null) return read.answer
    return this.held(kind, id)?.entry ?? null
  }

  /** Null where the registry does not answer in time; after that it is not asked again. */
  async ask<T>(
    work: (registry: Pick<Registry, 'find' | 'list'>, signal: AbortSignal) => Promise<T>,
  ): Promise<{ readonly answer: T } | null> {
    if (this.#registryError !== null) return null
    try {
      return { answer: await work(this.#registry, AbortSignal.timeout(this.#timeoutMs)) }
    } catch (error) {
      if (!(error instanceof TenantryError)) throw error
      this.#registryError = error.code === 'cancelled' ? 'no answer in time' : error.message
      return null
    }
  }

  /** What this process holds of a record, and until when it knows that to have been true (wall clock, ms). */
  held<K extends Kind>(
    kind: K,
    id: string,
  ): { readonly entry: Entry<K>; readonly knownAt: number } | undefined {
    const held = this.#directory?.held(Date.now()).find(({ entry }) => entry.kind === kind && entry.id === id)
    return held && { entry: held.entry as Entry<K>, knownAt: held.knownAt } // the kind was compared
  }
}

/** Reads a name as everything that may lead to a tenant, in the order in which a request would. */
export async function resolveAsked(
  lookup: Lookup,
  asked: string,
  baseDomain: string | undefined,
): Promise<Resolution> {
  const tried: Attempt[] = []
  for (const { as, value } of readings(asked, baseDomain)) {
    const entry = await follow(lookup, as, value)
    tried.push({ as, value, found: entry === null ? null : entry !== undefined })
    if (entry) return { tried, entry, registryError: lookup.registryError }
  }
  return { tried, entry: undefined, registryError: lookup.registryError }
}

function readings(asked: string, baseDomain: string | undefined): Pick<Attempt, 'as' | 'value'>[] {
  const host = asked.toLowerCase()
  const suffix = baseDomain === undefined ? undefined : `.${baseDomain.toLowerCase()}`
  const label = suffix && host.endsWith(suffix) ? host.slice(0, -suffix.length) : undefined
  return [
    ...(isTenantId(asked) ? [{ as: 'tenant id' as const, value: asked }] : []),
    ...(isTenantId(label) ? [{ as: 'label before the base domain' as const, value: label }] : []),
    ...(host.includes('.') ? [{ as: 'host name' as const, value: host }] : []),
    { as: 'external id' as const, value: asked },
    ...(KeyId.safeParse(asked).success ? [{ as: 'key id' as const, value: asked }] : []),
  ]
}

async function follow(
  lookup: Lookup,
  as: Attempt['as'],
  value: string,
): Promise<Entry<'tenant'> | undefined | null> {
  switch (as) {
    case 'tenant id':
    case 'label before the base domain':
      return lookup.find('tenant', value)
    case 'host name':
    case 'external id': {
      const alias = await lookup.find('alias', aliasId(as === 'host name' ? 'hostname' : 'external', value))
      return alias && lookup.find('tenant', alias.record.tenant)
    }
    case 'key id': {
      const key = await lookup.find('key', value)
      return key?.record.scope.kind === 'tenant' ? lookup.find('tenant', key.record.scope.tenant) : undefined
    }
  }
}
