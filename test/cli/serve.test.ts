import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { DemoProcess } from '../demo/demo-process.ts'
import { Terminal } from './terminal.ts'

describe('tenantry serve', () => {
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-serve-'))
    await new Terminal().run(['init', folder])
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('serves with the settings that init wrote, tells what holds once, and ends with 0 on SIGTERM', async () => {
    const ports = { TENANTRY_PORT: '0', TENANTRY_OPS_PORT: '0', TENANTRY_MAX_CONNECTIONS: '7' }
    const service = new DemoProcess(folder, ['serve', '--env-file', 'tenantry.env'], ports)
    await service.says('TENANTRY_MAX_OPENING=')
    await service.says('service started')
    const opsUrl = /"opsUrl":"([^"]+)"/.exec(service.output)?.[1]
    await vi.waitFor(async () => expect((await fetch(`${opsUrl}/readyz`)).status).toBe(200), 10_000)
    expect(service.output.match(/^TENANTRY_MAX_CONNECTIONS=7$/gm)).toHaveLength(1)
    expect(await service.end('SIGTERM')).toBe(0)
    await expect(fetch(`${opsUrl}/readyz`)).rejects.toThrow('fetch failed')
  }, 60_000)

  it('refuses to start without a registry and a key, with 2', async () => {
    const service = new DemoProcess(folder, ['serve'], { TENANTRY_PORT: '99999' })
    expect(await service.end()).toBe(2)
    for (const name of ['PORT', 'REGISTRY_URL', 'MASTER_KEY'])
      expect(service.output).toContain(`TENANTRY_${name} `)
  }, 60_000)
})
