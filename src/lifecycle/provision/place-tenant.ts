import { PreconditionFailedError } from '../../errors.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { allServers } from '../server/server-view.ts'
import { crowdsOf } from './crowds.ts'

/** Measured: beyond this many databases a server takes long to start again after a crash, and to be backed up. */
const MANY_TENANTS = 3_000

export interface Wish {
  readonly server?: string | undefined
  readonly placement: { readonly labels: TenantRecord['labels'] }
  readonly template?: string | undefined
}

/** Where a tenant goes, and why there. */
export interface Placement {
  readonly server: string
  readonly why: string
  readonly warnings: readonly string[]
}

export interface Placed {
  readonly server: Entry<'server'>
  readonly placement: Placement
}

/**
 * The server named; else, of those that can take the tenant and have all labels wanted, the one with the fewest tenants
 * for its budget.
 * @throws {PreconditionFailedError} where the one named cannot, or none can: with the reason of each.
 */
export async function placeTenant(registry: Registry, wish: Wish): Promise<Placed> {
  const { server: named } = wish
  if (named !== undefined) {
    const server = await registry.find('server', named)
    if (server === undefined) throw new PreconditionFailedError(`There is no server ${named} on record.`)
    const fault = faultOf(server.record, wish)
    if (fault !== undefined) throw new PreconditionFailedError(`Server ${named} ${fault}.`)
    return placed(server, 'it was named', (await crowdsOf(registry)).get(named) ?? 0)
  }
  const servers = await allServers(registry)
  const able = servers.filter(({ record }) => faultOf(record, wish) === undefined)
  const [only] = able
  if (only === undefined) throw noneCan(servers, wish)
  const crowds = await crowdsOf(registry)
  const loaded = able.map((server) => ({ server, tenants: crowds.get(server.id) ?? 0 })).toSorted(byLoad)
  const [best = { server: only, tenants: 0 }, next] = loaded
  const why =
    next === undefined
      ? 'it is the only one that can take the tenant'
      : `of ${able.length} that can, it has the fewest tenants for its budget: ${loadText(best)}; next is ${next.server.id} with ${loadText(next)}`
  return placed(best.server, why, best.tenants)
}

/** As for a tenant, for what is no tenant's: the server named, or the only one that can. */
export async function placeAnew(registry: Registry, named: string | undefined): Promise<Entry<'server'>> {
  const wish = { server: named, placement: { labels: {} } }
  if (named !== undefined) return (await placeTenant(registry, wish)).server
  const able = (await allServers(registry)).filter(({ record }) => faultOf(record, wish) === undefined)
  const [only] = able
  if (only !== undefined && able.length === 1) return only
  if (only === undefined) throw noneCan(await allServers(registry), wish)
  throw new PreconditionFailedError(
    `More than one server can: name one of ${able.map(({ id }) => id).join(', ')}.`,
  )
}

interface Loaded {
  readonly server: Entry<'server'>
  readonly tenants: number
}

function byLoad(a: Loaded, b: Loaded): number {
  const load = ({ server, tenants }: Loaded) => tenants / server.record.budget.maxConnections
  return load(a) - load(b) || (a.server.id < b.server.id ? -1 : 1)
}

function loadText({ server, tenants }: Loaded): string {
  return `${tenants} for ${server.record.budget.maxConnections} connections`
}

function placed(server: Entry<'server'>, why: string, tenants: number): Placed {
  const warnings =
    tenants >= MANY_TENANTS
      ? [
          `Server ${server.id} has ${tenants} tenants already: from ${MANY_TENANTS} on, starting it again after a crash takes long.`,
        ]
      : []
  return { server, placement: { server: server.id, why, warnings } }
}

/** Why a server cannot take the tenant, as in "server x …"; undefined where it can. */
function faultOf(record: ServerRecord, { server, placement, template }: Wish): string | undefined {
  if (record.admin === null) return 'has no admin login: add it again with one'
  if (record.draining) return `drains and takes no new tenants: tenantry server undrain ${record.id}`
  const lacking = Object.entries(placement.labels).filter(([name, value]) => record.labels[name] !== value)
  if (lacking.length > 0) return `is not labelled ${lacking.map((pair) => pair.join('=')).join(', ')}`
  if (template === undefined || templateOn(record, template) !== undefined) return undefined
  const where = server ?? record.id
  return `has no template ${template}: tenantry template create ${template} --server ${where}`
}

/** A template that is made. */
export function templateOn({ templates }: ServerRecord, name: string) {
  return templates?.find((template) => template.name === name && template.operation === null)
}

function noneCan(servers: readonly Entry<'server'>[], wish: Wish): PreconditionFailedError {
  if (servers.every(({ record }) => record.admin === null))
    return new PreconditionFailedError(
      'No server with an admin login is on record: put one there with `tenantry server add`.',
    )
  const faults = servers.slice(0, 5).map(({ id, record }) => `${id} ${faultOf(record, wish)}`)
  const more = servers.length > 5 ? `; and ${servers.length - 5} more` : ''
  return new PreconditionFailedError(`No server can take the tenant: ${faults.join('; ')}${more}.`)
}
