import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRouter } from 'tenantry'
import { describe, expect, it, onTestFinished } from 'vitest'
import { generateMasterKey } from '../src/registry/master-keys.ts'

const masterKey = generateMasterKey().reveal()

describe('createRouter', () => {
  it('names all that is missing, as where a variable is not set, and what is expected', async () => {
    const unset = undefined as unknown as string // as a program without types hands it on
    await expect(createRouter({ registry: '', masterKey: unset })).rejects.toMatchObject({
      code: 'invalid_config',
      faults: [
        'registry is not given; expected postgres://…, consul://… or file:PATH',
        expect.stringMatching(/^masterKey is not given; expected kid:base64, as `tenantry init` writes it/),
      ],
    })
  })

  it('says of a master key that is none where to get one, and repeats nothing of it', async () => {
    const wrong = createRouter({ registry: 'file:registry.yaml', masterKey: 'hunter2' })
    await expect(wrong).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/kid:base64, as `tenantry init` writes it/),
    })
    await expect(wrong).rejects.not.toMatchObject({ message: expect.stringContaining('hunter2') })
  })

  it('closes its registry whatever goes wrong with what ends before that', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-router-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const router = await createRouter({ registry: `file:${join(folder, 'registry.yaml')}`, masterKey })
    router.atClose(() => {
      throw new Error('at once, as no promise of its own')
    })
    await router.close()
    await expect(router.registry.find('tenant', 'acme')).rejects.toMatchObject({
      code: 'registry_unavailable',
    })
  })

  it('names an address of a registry that is of no known kind', async () => {
    await expect(createRouter({ registry: 'registry.yaml', masterKey })).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('expected postgres://…, consul://… or file:PATH'),
    })
  })
})
