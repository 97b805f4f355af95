import { join } from 'node:path'
import { makeOurRegistry } from '../ground/our-registry.ts'
import { type BenchTenant, dsnOf } from '../ground/tenants.ts'
import { runProgram } from '../process/run-program.ts'
import type { Side, Stage } from '../scenario.ts'
import { type InProcessJob, InProcessReport } from './job.ts'

const MAIN = new URL('./main.ts', import.meta.url)

export interface InProcessPlan
  extends Pick<InProcessJob, 'client' | 'maxConnections' | 'maxConnectionsPerTenant' | 'workload'> {
  readonly description: string
  readonly tenants: readonly BenchTenant[]
}

/** Measures a client that runs in the process that asks, which is made anew for each run. */
export async function inProcess(stage: Stage, plan: InProcessPlan): Promise<Side> {
  const { client, maxConnections, maxConnectionsPerTenant, workload, description } = plan
  const { ground, postgres, folder, seconds, warmupSeconds } = stage
  const tenants = plan.tenants.map((tenant) => ({
    id: tenant.id,
    dsn: dsnOf(tenant, 'ordinary', postgres),
    database: tenant.place.database,
  }))
  const isOurs = client.startsWith('tenantry')
  const registry = isOurs
    ? await makeOurRegistry(ground, {
        tenants: plan.tenants,
        login: 'ordinary',
        postgres,
        budget: maxConnections,
        url: `file:${join(folder, `registry-${client}.yaml`)}`,
      })
    : undefined
  const terms = { client, tenants, maxConnections, maxConnectionsPerTenant, workload, seconds, warmupSeconds }
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
