import { describe, expect, it, vi } from 'vitest'
import { CancelledError, RegistryUnavailableError } from '../../src/errors.ts'
import { describeChanges } from './conformance-changes.ts'
import { describeCommits } from './conformance-commits.ts'
import { describeEntries } from './conformance-entries.ts'
import { describeTrail } from './conformance-trail.ts'
import { Followed } from './followed.ts'
import { create, tenant } from './records.ts'
import type { RegistryGround } from './registry-ground.ts'

/** What every backend promises. A new one is done when it passes and nothing here was changed for it. */
export function describeRegistry(backend: string, prepare: () => Promise<RegistryGround>): void {
  const within2s = { timeout: 2_000, interval: 10 }

  describeEntries(backend, prepare)
  describeCommits(backend, prepare)
  describeChanges(backend, prepare)
  describeTrail(backend, prepare)

  describe(`${backend} registry: generations`, () => {
    it('are never given twice, to twenty who ask at once on two replicas', async () => {
      await using ground = await prepare()
      await using one = await ground.open()
      await using other = await ground.open()
      const asked = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).nextGeneration())
      const generations = await Promise.all(asked)
      expect(new Set(generations).size).toBe(20)
      expect(Math.min(...generations)).toBeGreaterThanOrEqual(1)
      expect(await one.nextGeneration()).toBeGreaterThan(Math.max(...generations))
    })
  })

  describe(`${backend} registry: close`, () => {
    it('ends every follower, refuses what comes after, and may be called again', async () => {
      await using ground = await prepare()
      const registry = await ground.open()
      const followed = [new Followed(registry), new Followed(registry)]
      await vi.waitFor(() => expect(followed.every(({ resets }) => resets === 1)).toBe(true), within2s)
      const closing = registry.close()
      expect(registry.close()).toBe(closing)
      await closing
      await vi.waitFor(() => expect(followed.every(({ isEnded }) => isEnded)).toBe(true), within2s)
      await expect(registry.find('tenant', 'acme')).rejects.toBeInstanceOf(RegistryUnavailableError)
      await expect(registry.nextGeneration()).rejects.toBeInstanceOf(RegistryUnavailableError)
      await expect(create(registry, tenant('acme'))).rejects.toBeInstanceOf(RegistryUnavailableError)
    })
  })

  describe(`${backend} registry: abort`, () => {
    it('rejects with CancelledError, and the next call is served', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      await create(registry, tenant('acme'))
      const abort = new AbortController()
      const calls = Promise.allSettled([
        registry.find('tenant', 'acme', AbortSignal.abort()),
        registry.list('tenant', undefined, {}, AbortSignal.abort()),
        registry.findByAlias('hostname', 'x', AbortSignal.abort()),
        registry.find('tenant', 'acme', abort.signal),
      ])
      abort.abort()
      for (const call of await calls) {
        expect(call.status === 'rejected' && call.reason).toBeInstanceOf(CancelledError)
      }
      expect((await registry.find('tenant', 'acme'))?.record.id).toBe('acme')
    })
  })
}
