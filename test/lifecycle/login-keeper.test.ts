import { expect, it, vi } from 'vitest'
import { LoginFailedError } from '../../src/errors.ts'
import { LoginKeeper } from '../../src/lifecycle/login/login-keeper.ts'
import { EventHub } from '../../src/router/events.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import { LifecycleGround } from './ground.ts'

it('a tenant whose login is refused again and again while others are looked at is looked at once', async () => {
  await using ground = await LifecycleGround.start(18)
  const clock = performance.now.bind(performance)
  let passedMs = 0
  using _now = vi.spyOn(performance, 'now').mockImplementation(() => clock() + passedMs)
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const looks: string[] = []
  const registry = new Proxy(ground.registry, {
    get(target, name) {
      if (name === 'find')
        return async (_: 'tenant', id: string) => {
          looks.push(id)
          await held
        }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const events = new EventHub()
  const told: string[] = []
  using _keeper = new LoginKeeper({ ...ground.parts, registry }, events, {
    reset: (tenant) => told.push(tenant),
    run: (work) => work(),
  })
  const refuse = (id: string) => {
    const error = new LoginFailedError('refused', { sqlstate: '28P01' })
    events.emit('openFailed', { tenant: parseTenantId(id), server: 'main', code: error.code, error })
  }
  refuse('acme')
  refuse('globex')
  await vi.waitFor(() => expect(looks).toEqual(['acme']))
  for (let again = 0; again < 3; again += 1) {
    passedMs += 60_000
    refuse('globex')
  }
  refuse('initech')
  release()
  await vi.waitFor(() => expect(told).toContain('initech'))
  expect(looks).toEqual(['acme', 'globex', 'initech'])
})
