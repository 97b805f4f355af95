import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../src/demo/free-port.ts'
import { makeOurRegistry, type OurRegistry } from '../ground/our-registry.ts'
import type { LoginKind } from '../ground/places.ts'
import type { BenchTenant } from '../ground/tenants.ts'
import type { Contestant, RunningContestant } from '../load/contestant.ts'
import { startProcess } from '../process/start-process.ts'
import type { Stage } from '../scenario.ts'

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export interface ServicePlan {
  readonly tenants: readonly BenchTenant[]
  readonly budget: number
  readonly login?: LoginKind
  /** Whose keys the requests present; default: one service key. */
  readonly keys?: 'service' | 'tenant'
}

/** The service as it is shipped, `tenantry serve`: every tenant registered, all but the budget at its default. */
export async function service(stage: Stage, plan: ServicePlan): Promise<Contestant> {
  const { tenants, budget, login = 'ordinary', keys = 'service' } = plan
  const { ground, postgres, folder } = stage
  const registry = await makeOurRegistry(ground, {
    tenants,
    login,
    postgres,
    budget,
    tenantKeys: keys === 'tenant',
    url: `file:${join(folder, `registry-${login}-${keys}.yaml`)}`,
  })
  return {
    name: keys === 'tenant' ? 'tenantry-tenant-keys' : `tenantry${login === 'cheap' ? '-cheap-logins' : ''}`,
    description: `tenantry serve, budget ${budget}, else its defaults, ${keys} keys, ${login} verifiers`,
    keyOf: (tenant) => registry.tenantKeys.get(tenant) ?? registry.serviceKey,
    start: () => startService(stage, { registry, budget }),
  }
}

export interface StartPlan {
  readonly registry: OurRegistry
  readonly budget: number
  /** Beside those of the stage. */
  readonly nodeFlags?: readonly string[]
  readonly channel?: boolean
}

export async function startService(
  stage: Stage,
  plan: StartPlan,
): Promise<RunningContestant & { readonly child: ChildProcess }> {
  const { registry, budget, nodeFlags = [], channel = false } = plan
  const [port, opsPort] = [await freePort(), await freePort()]
  const running = await startProcess({
    command: [process.execPath, ...stage.nodeFlags, ...nodeFlags, CLI, 'serve'],
    env: {
      TENANTRY_REGISTRY_URL: registry.url,
      TENANTRY_MASTER_KEY: registry.masterKey,
      TENANTRY_PORT: String(port),
      TENANTRY_OPS_PORT: String(opsPort),
      TENANTRY_MAX_CONNECTIONS: String(budget),
    },
    listensAt: { host: '127.0.0.1', port },
    logPath: join(stage.folder, 'tenantry.log'),
    channel,
  })
  return {
    url: `http://127.0.0.1:${port}`,
    pids: [running.pid],
    child: running.child,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}
