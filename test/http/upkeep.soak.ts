import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { OperatedWorld } from './operated-world.ts'

it('A service that runs goes on with an operation whose process is gone, without being asked', async () => {
  await using world = await OperatedWorld.start()
  const at = new Date().toISOString()
  const record = {
    id: randomUUID(),
    kind: 'rewrap' as const,
    tenant: null,
    from: null,
    to: null,
    stepsDone: [],
    progress: null,
    data: {},
    state: 'running' as const,
    error: null,
    actor: 'gone',
    holder: { process: randomUUID(), until: at },
    startedAt: at,
    updatedAt: at,
  }
  {
    await using registry = await FileRegistry.open(join(world.service.folder, 'registry.yaml'))
    const audit = { actor: 'gone', action: 'fleet.rewrap', target: record.id, at, detail: {} }
    const { id } = record
    await registry.commit({ puts: [{ kind: 'operation', id, record }], audit }, [
      { kind: 'operation', id, revision: 0 },
    ])
  }
  const operation = async () => (await world.service.operate(`/v1/operations/${record.id}`)).json.operation
  await vi.waitFor(async () => expect((await operation()).state).toBe('done'), {
    timeout: 60_000,
    interval: 500,
  })
  const audited = world.audited().filter(({ actor }) => actor === 'recovery')
  expect(audited.at(-1)).toMatchObject({ action: 'fleet.rewrap.done' })
}, 90_000)
