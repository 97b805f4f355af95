import type { Registry } from '../../../registry/registry.ts'
import { allServers } from '../../server/server-view.ts'

export interface TemplateView {
  readonly name: string
  readonly server: string
  readonly database: string
  /** False as long as it is being made. */
  readonly ready: boolean
  /** That makes it. */
  readonly operation: string | null
}

/** Of every server, or of one. */
export async function listTemplates(registry: Registry, server?: string): Promise<TemplateView[]> {
  const servers = (await allServers(registry)).filter(({ id }) => server === undefined || id === server)
  return servers.flatMap(({ id, record }) =>
    (record.templates ?? []).map(({ name, database, operation }) => ({
      name,
      server: id,
      database,
      ready: operation === null,
      operation,
    })),
  )
}
