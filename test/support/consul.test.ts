import { existsSync } from 'node:fs'
import { expect, it, vi } from 'vitest'
import { isAlive } from '../../src/demo/process-table.ts'
import { startConsul } from './consul.ts'

it('is a Consul that denies by default, honours tokens, keeps its data over a halt, and leaves nothing', async () => {
  const consul = await startConsul()
  const token = await consul.createToken('reader', 'key_prefix "tenantry/" { policy = "read" }')
  await consul.request('PUT', '/v1/kv/tenantry/a', 'one')
  const ask = (path: string, secret: string) =>
    fetch(`${consul.url}/v1/kv/${path}?raw`, { headers: { 'X-Consul-Token': secret } })
  expect((await ask('tenantry/a', token)).status).toBe(200)
  expect((await ask('other', token)).status).toBe(403)
  expect((await fetch(`${consul.url}/v1/kv/tenantry/a`)).status).toBe(403)

  await consul.halt()
  await consul.start()
  expect(await (await ask('tenantry/a', token)).text()).toBe('"one"')

  await consul.stop()
  expect(isAlive(consul.pid)).toBe(false)
  // Its parent, this process, takes note of the end a moment after it.
  await vi.waitFor(() => expect(existsSync(`/proc/${consul.pid}`)).toBe(false))
})
