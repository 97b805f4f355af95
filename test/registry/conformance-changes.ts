import { describe, expect, it, vi } from 'vitest'
import { Followed } from './followed.ts'
import { alias, create, remove, tenant } from './records.ts'
import type { RegistryGround } from './registry-ground.ts'

export function describeChanges(backend: string, prepare: () => Promise<RegistryGround>): void {
  const within2s = { timeout: 2_000, interval: 10 }

  describe(`${backend} registry: changes`, () => {
    it('begin with a reset, then tell every change in order, also a removal', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await create(registry, tenant('before'))
      await using followed = new Followed(registry)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      const [first] = await create(registry, tenant('acme'), alias('hostname', 'acme.example', 'acme'))
      await remove(registry, 'tenant', 'acme')
      await vi.waitFor(() => expect(followed.changes).toHaveLength(3), within2s)
      expect(followed.names()).toEqual(['tenant acme', 'alias hostname:acme.example', 'tenant acme'])
      const revisions = followed.changes.map(({ revision }) => revision)
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
      expect(revisions[0]).toBe(first)
    })

    it('reach another replica within two seconds', async () => {
      await using ground = await prepare()
      await using writer = await ground.open()
      await using reader = await ground.open()
      await using followed = new Followed(reader)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      await create(writer, tenant('acme'))
      await vi.waitFor(() => expect(followed.names()).toEqual(['tenant acme']), within2s)
      expect((await reader.find('tenant', 'acme'))?.record.id).toBe('acme')
    })

    it('go on from a position, on a replica opened later', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      let position: string | undefined
      {
        await using followed = new Followed(registry)
        await create(registry, tenant('acme'))
        await vi.waitFor(() => expect(followed.heard).toBeGreaterThan(1), within2s)
        position = followed.position
      }
      await create(registry, tenant('globex'))
      await create(registry, tenant('initech'))
      await using replica = await ground.open()
      await using later = new Followed(replica, position)
      await vi.waitFor(() => expect(later.names()).toEqual(['tenant globex', 'tenant initech']), within2s)
      expect(later.resets).toBe(0)
    })

    it('say reset when more happened than the log holds, and for a position of no log', async () => {
      await using ground = await prepare()
      await using registry = await ground.open({ maxChanges: 3 })
      await create(registry, tenant('acme'))
      let position: string | undefined
      {
        await using followed = new Followed(registry)
        await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
        position = followed.position
      }
      for (let i = 0; i < 5; i++) await create(registry, tenant(`t${i}`))
      for (const from of [position, '999999999', 'nonsense']) {
        await using late = new Followed(registry, from)
        await vi.waitFor(() => expect(late.resets).toBe(1), within2s)
        expect(late.changes).toEqual([])
      }
    })

    it('are heard as an empty batch at least every two seconds while nothing changes', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await using followed = new Followed(registry)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      const heard = followed.heard
      await vi.waitFor(() => expect(followed.heard).toBeGreaterThan(heard + 1), {
        timeout: 4_000,
        interval: 20,
      })
      expect(followed.changes).toEqual([])
    })

    it('end without error when their signal aborts', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const followed = new Followed(registry)
      await vi.waitFor(() => expect(followed.resets).toBe(1), within2s)
      await followed[Symbol.asyncDispose]()
      expect(followed.isEnded).toBe(true)
    })
  })
}
