import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { announcing } from '../../src/registry/announcing-registry.ts'
import { makeKey } from '../../src/registry/api-key.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import type { Change, Put } from '../../src/registry/registry.ts'

it('announces each put and removal of a commit that holds, before it resolves, and nothing of one that does not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-announce-'))
  const heard: Change[] = []
  const registry = announcing(await FileRegistry.open(join(folder, 'r.yaml')), (change) => heard.push(change))
  const { id, hash } = makeKey()
  const createdAt = new Date().toISOString()
  const put: Put = {
    kind: 'key',
    id,
    record: {
      id,
      scope: { kind: 'service', labels: null },
      secretHash: hash,
      readOnly: false,
      name: '',
      createdAt,
      expiresAt: null,
      revokedAt: null,
    },
  }
  const audit = { actor: 'test', action: 'test', target: id, at: createdAt, detail: {} }
  const commit = () => registry.commit({ puts: [put], audit }, [{ kind: 'key', id, revision: 0 }])
  try {
    const revisions = await commit()
    expect(heard).toEqual([{ kind: 'key', id, revision: revisions[0] }])
    await expect(commit()).rejects.toMatchObject({ code: 'revision_conflict' })
    expect(heard).toHaveLength(1)
    expect((await registry.find('key', id))?.record).toEqual(put.record)
    const [revision = 0] = revisions
    await registry.commit({ removes: [{ kind: 'key', id }], audit }, [{ kind: 'key', id, revision }])
    expect(heard.slice(1)).toEqual([{ kind: 'key', id, revision: revision + 1 }])
    expect(await registry.find('key', id)).toBeUndefined()
  } finally {
    await registry.close()
    await rm(folder, { recursive: true, force: true })
  }
})
