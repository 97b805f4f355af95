import type { ServiceSettings } from '../config.ts'
import { ownKeys } from '../lifecycle/own-keys.ts'
import type { LifecycleParts } from '../lifecycle/parts.ts'
import { provisionTenant } from '../lifecycle/provision/provision-tenant.ts'
import { openRegistry } from '../registry/open-registry.ts'
import type { Registry } from '../registry/registry.ts'
import type { Card, DemoFiles } from './demo-files.ts'
import { type DemoKeys, demoKeys } from './demo-keys.ts'
import { DEMO_SERVER, prepareCluster, recordServer } from './demo-server.ts'
import { DEMO_TABLES, DEMO_TENANTS, demoSchema } from './demo-tenants.ts'
import { EmbeddedPostgres } from './embedded-postgres.ts'

const ACTOR = 'demo'
const MAX_CONNECTIONS = '200'

/**
 * The ground of the demo: a Postgres of its own that runs until it is disposed of, three tenants in it, keys
 * for them. What an earlier run left, whole or half, is taken over.
 */
export class DemoGround implements AsyncDisposable {
  readonly keys: DemoKeys
  /** In words, where something of an earlier run could not be used. */
  readonly remark: string | undefined
  readonly #postgres: EmbeddedPostgres

  private constructor(postgres: EmbeddedPostgres, keys: DemoKeys, remark: string | undefined) {
    this.#postgres = postgres
    this.keys = keys
    this.remark = remark
  }

  /** @throws {PartMissingError | PreconditionFailedError} where the machine or another demo is in the way; nothing is left running then. */
  static async prepare(files: DemoFiles, settings: ServiceSettings): Promise<DemoGround> {
    const postgres = await EmbeddedPostgres.start({
      dataDir: files.postgres,
      settings: { max_connections: MAX_CONNECTIONS },
    })
    try {
      const { password, systemIdentifier } = await prepareCluster(postgres)
      const remark = files.forgetOthers(systemIdentifier)
      await using registry = await openRegistry(settings.registryUrl, {
        auditKey: ownKeys(settings.masterKey, settings.adminKey).auditKey,
      })
      const parts = partsOf(registry, settings)
      await recordServer(parts, postgres, password, ACTOR)
      for (const id of DEMO_TENANTS) {
        if (await isMade(registry, id)) continue
        await provisionTenant(parts, { id, server: DEMO_SERVER, schema: demoSchema(id) }, ACTOR)
      }
      const keys = await demoKeys(parts, files.readCard(), ACTOR)
      files.write(files.schema, DEMO_TABLES)
      return new DemoGround(postgres, keys, remark)
    } catch (error) {
      await postgres.stop()
      throw error
    }
  }

  card(url: string, opsUrl: string): Card {
    // No more of it: it may be the card of the last run, which was at other ports.
    const { operatorKey, serviceKey, tenants } = this.keys
    return { url, opsUrl, operatorKey, serviceKey, tenants }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#postgres.stop()
  }
}

/** Whatever has become of it since: one that its owner suspended stays so. */
async function isMade(registry: Registry, id: string): Promise<boolean> {
  const status = (await registry.find('tenant', id))?.record.status
  return status !== undefined && status !== 'provisioning' && status !== 'failed'
}

function partsOf(registry: Registry, settings: ServiceSettings): LifecycleParts {
  const { masterKey, adminKey, scramIterations } = settings
  // Its Postgres was down until now.
  return { registry, ...ownKeys(masterKey, adminKey), scramIterations, isAlone: true }
}
