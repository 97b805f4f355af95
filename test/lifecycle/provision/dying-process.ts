/**
 * A process of its own that begins what it is told on its standard input, each up to one step, and then kills itself
 * with all of it under way: after the steps ran, and before that is kept.
 */
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { CreateTenant } from '../../../src/lifecycle/provision/create-tenant.ts'
import { startProvisioning } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../../src/lifecycle/provision/spare/make-spares.ts'
import { CreateTemplate, startTemplate } from '../../../src/lifecycle/provision/template/create-template.ts'
import { FileRegistry } from '../../../src/registry/file/file-registry.ts'
import { MasterKeys } from '../../../src/registry/master-keys.ts'
import { Sealer } from '../../../src/registry/sealing.ts'
import { Secret } from '../../../src/secret.ts'

const Death = z.union([
  z.object({ after: z.string(), tenant: CreateTenant }),
  z.object({ after: z.string(), template: CreateTemplate }),
  z.object({ after: z.string(), spares: z.int() }),
])
export type Death = z.input<typeof Death>

export const DyingInput = z.object({
  registry: z.string(),
  master: z.string(),
  admin: z.string(),
  deaths: z.array(Death),
})
export type DyingInput = z.input<typeof DyingInput>

const input = DyingInput.parse(JSON.parse(await text(process.stdin)))
const registry = await FileRegistry.open(input.registry)
const sealer = (key: string) => new Sealer(MasterKeys.fromText(new Secret(key)))
const parts = {
  registry,
  sealer: sealer(input.master),
  adminSealer: sealer(input.admin),
  scramIterations: 1,
}
let arrived = 0

function dyingAfter(step: string): LifecycleParts {
  const onStep = ({ name }: { name: string }) => {
    if (name !== step) return
    arrived += 1
    if (arrived === input.deaths.length) process.kill(process.pid, 'SIGKILL')
    return new Promise<void>(() => undefined)
  }
  return { ...parts, onStep }
}

// One after another as far as names are taken, so that each gets what it is meant to get.
for (const death of input.deaths) {
  const dying = dyingAfter(death.after)
  const { result }: { result: Promise<unknown> } =
    'tenant' in death
      ? await startProvisioning(dying, death.tenant, 'test')
      : 'template' in death
        ? await startTemplate(dying, death.template, 'test')
        : await startSpares(dying, 'main', { count: death.spares }, 'test')
  result.catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`)
    process.exitCode = 1
    process.kill(process.pid, 'SIGTERM')
  })
}
