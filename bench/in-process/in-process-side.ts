import { join } from 'node:path'
import { makeOurRegistry } from '../ground/our-registry.ts'
import { type BenchTenant, dsnOf } from '../ground/tenants.ts'
import { runProgram } from '../process/run-program.ts'
import type { Side, Stage } from '../scenario.ts'
import { type InProcessJob, InProcessReport } from './job.ts'

const MAIN = new URL('./main.ts', import.meta.url)

export interface InProcessPlan
  extends Pick<
    InProcessJob,
    'client' | 'maxConnections' | 'maxConnectionsPerTenant' | 'maxOpeningPerServer' | 'workload'
  > {
  readonly description: string
  readonly tenants: readonly BenchTenant[]
}

/** Measures a client that runs in the process that asks, which is made anew for each run. */
export async function inProcess(stage: Stage, plan: InProcessPlan): Promise<Side> {
  const { description, tenants: served, ...asked } = plan
  const { client, maxConnections } = asked
  const { ground, postgres, folder, seconds, warmupSeconds } = stage
  const tenants = served.map((tenant) => ({
    id: tenant.id,
    dsn: dsnOf(tenant, 'ordinary', postgres),
    database: tenant.place.database,
  }))
  const isOurs = client.startsWith('tenantry')
  const registry = isOurs
    ? await makeOurRegistry(ground, {
        tenants: served,
        login: 'ordinary',
        postgres,
        budget: maxConnections,
        url: `file:${join(folder, `registry-${client}-${asked.maxOpeningPerServer ?? 'default'}.yaml`)}`,
      })
    : undefined
  const terms = { ...asked, tenants, seconds, warmupSeconds }
  const login = registry && { url: registry.url, masterKey: registry.masterKey }
  return {
    name: client,
    description,
    run: async (seed) => {
      const job: InProcessJob = { ...terms, seed, postgresPid: ground.pid, ...(login && { registry: login }) }
      const flags = isOurs ? stage.nodeFlags : []
      return InProcessReport.parse(await runProgram(MAIN, job, join(folder, 'job.json'), flags))
    },
  }
}
