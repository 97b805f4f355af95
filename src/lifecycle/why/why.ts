import type { Limiter } from '../../limits/limiter.ts'
import type { Standing } from '../../limits/standing.ts'
import type { AliasKind } from '../../registry/alias-record.ts'
import type { Directory } from '../../registry/directory.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { TenantExplanation } from '../../router/explanation.ts'
import type { TenantRouter } from '../../router/tenant-router.ts'
import { isTenantId } from '../../tenant/tenant-id.ts'
import { type OperationView, viewOperation } from '../operation/operation-view.ts'
import { type ServerView, viewServer } from '../server/server-view.ts'
import { type TenantView, viewTenant } from '../tenant/tenant-view.ts'
import { type Attempt, Lookup, resolveAsked } from './resolution.ts'
import { verdictOf } from './verdict.ts'
import { detailLines } from './why-lines.ts'

/** Milliseconds that the registry is waited for; what is known without it is told all the same. */
const REGISTRY_MS = 2_000
const MAX_ALIASES = 20
/** What a caller sent is repeated up to here. */
const MAX_ASKED = 255

/** Whom to ask. Without directory and router, the registry alone speaks. */
export interface WhySources {
  readonly registry: Pick<Registry, 'find' | 'list'>
  readonly directory?: Pick<Directory, 'held' | 'known' | 'stalenessSeconds'> | undefined
  readonly router?: Pick<TenantRouter, 'explain'> | undefined
  readonly limiter?: Pick<Limiter, 'look'> | undefined
  /** `acme.<baseDomain>` names the tenant `acme`. */
  readonly baseDomain?: string | undefined
}

export interface HeldRecord {
  readonly revision: number
  /** Milliseconds since it was known to be true. */
  readonly ageMs: number
  /** It would be served without asking the registry. */
  readonly isFresh: boolean
}

/** What is known of a tenant and of how it is served, as of `at`. It holds no secret and no SQL. */
export interface Why {
  readonly asked: string
  readonly at: string
  /** In words, the verdict first. */
  readonly answer: readonly string[]
  readonly tried: readonly Attempt[]
  readonly tenant: string | null
  readonly record: TenantView | null
  readonly server: ServerView | null
  readonly aliases: readonly { readonly kind: AliasKind; readonly value: string }[]
  readonly operation: OperationView | null
  /** What the registry failed with when it was asked just now; null where it answered. */
  readonly registryError: string | null
  /** Null where no service was asked. */
  readonly directory: { readonly held: HeldRecord | null; readonly stalenessSeconds: number } | null
  readonly router: TenantExplanation | null
  /** How it stands to its limits; null where no service was asked. */
  readonly requests: Standing | null
}

/** All but the words. */
export type WhyFacts = Omit<Why, 'answer'>

/** Whether anybody knows the tenant, it answers; nothing that is full, open or down keeps the answer back for long. */
export async function explainWhy(sources: WhySources, asked: string): Promise<Why> {
  const lookup = new Lookup(sources.registry, sources.directory, REGISTRY_MS)
  const { tried, entry } = await resolveAsked(lookup, asked.slice(0, MAX_ASKED), sources.baseDomain)
  const server = entry && (await lookup.find('server', entry.record.route.server))
  const operation = entry?.record.operation && (await lookup.find('operation', entry.record.operation))
  const facts: WhyFacts = {
    asked: asked.slice(0, MAX_ASKED),
    at: new Date().toISOString(),
    tried,
    tenant: entry?.id ?? null,
    record: entry ? viewTenant(entry.record, entry.revision) : null,
    server: server ? viewServer(server.record, server.revision) : null,
    aliases: entry ? await aliasesOf(lookup, entry.id) : [],
    operation: operation ? viewOperation(operation.record) : null,
    directory: sources.directory ? explainHeld(sources.directory, lookup, entry) : null,
    router: explainRouting(sources, lookup, entry ?? undefined, server ?? undefined, asked),
    requests: (entry && (await sources.limiter?.look(entry.record))) ?? null,
    // Last: any of those above may have met it.
    registryError: lookup.registryError,
  }
  return { ...facts, answer: [verdictOf(facts), ...detailLines(facts)] }
}

async function aliasesOf(lookup: Lookup, tenant: string): Promise<Why['aliases']> {
  const page = await lookup.ask((registry, signal) =>
    registry.list('alias', undefined, { tenant, limit: MAX_ALIASES }, signal),
  )
  return (page?.answer.entries ?? []).map(({ record: { kind, value } }) => ({ kind, value }))
}

function explainHeld(
  directory: NonNullable<WhySources['directory']>,
  lookup: Lookup,
  entry: Entry<'tenant'> | undefined,
): Why['directory'] {
  const found = entry && lookup.held('tenant', entry.id)
  const held = found && {
    revision: found.entry.revision,
    ageMs: Math.max(0, Date.now() - found.knownAt),
    isFresh: directory.known('tenant', found.entry.id) !== undefined,
  }
  return { held: held ?? null, stalenessSeconds: directory.stalenessSeconds() }
}

/** By the record that the router goes by, which may be an older one than the registry's. */
function explainRouting(
  { router }: WhySources,
  lookup: Lookup,
  entry: Entry<'tenant'> | undefined,
  server: Entry<'server'> | undefined,
  asked: string,
): TenantExplanation | null {
  if (router === undefined) return null
  if (entry === undefined) return isTenantId(asked) ? router.explain(asked) : null
  const { record } = lookup.held('tenant', entry.id)?.entry ?? entry
  const known = lookup.held('server', record.route.server)?.entry ?? server
  return router.explain(entry.id, known && { record, server: known.record })
}
