import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { RegistryDocument } from '../../src/registry/file/registry-document.ts'
import { openRegistry } from '../../src/registry/open-registry.ts'
import { TenantIdSchema } from '../../src/tenant/tenant-record.ts'

const folder = fileURLToPath(new URL('../../registry/file/', import.meta.url))

it('the sample of a registry file opens, and is given what a hand leaves out', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'tenantry-sample-'))
  onTestFinished(() => rm(scratch, { recursive: true }))
  await copyFile(join(folder, 'sample.yaml'), join(scratch, 'sample.yaml'))
  await using registry = await openRegistry(`file:${join(scratch, 'sample.yaml')}`)
  const found = await registry.findByAlias('hostname', 'app.acme.example')
  expect(found?.record.route.database).toBe('Acme-Production')
  expect(found?.revision).toBeGreaterThan(0)
  expect((await registry.find('server', 'main'))?.record.tls.mode).toBe('verify-full')
  expect(await registry.nextGeneration()).toBe(2)
})

/** Written anew by `npx vitest run test/registry/samples.test.ts -u`. */
it('the JSON schema of a registry file is the one that is read by', async () => {
  const schema = z.toJSONSchema(RegistryDocument, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === TenantIdSchema) {
        Object.assign(jsonSchema, { type: 'string', pattern: '^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$' })
      }
    },
  })
  const text = `${JSON.stringify({ title: 'A registry file of Tenantry', ...schema }, undefined, 2)}\n`
  await expect(text).toMatchFileSnapshot(join(folder, 'registry.schema.json'))
})
