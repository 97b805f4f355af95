import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openRegistry } from '../../src/registry/open-registry.ts'
import { Terminal } from './terminal.ts'

const SAMPLE = new URL('../../registry/file/sample.yaml', import.meta.url)

async function ground() {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-limits-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const url = `file:${join(folder, 'registry.yaml')}`
  await copyFile(SAMPLE, join(folder, 'registry.yaml'))
  const terminal = new Terminal({ TENANTRY_REGISTRY_URL: url })
  const set = (...args: string[]) => terminal.run(['tenant', 'set', 'acme', ...args])
  const acme = async () => {
    await using registry = await openRegistry(url)
    return (await registry.find('tenant', 'acme'))?.record
  }
  return { set, acme }
}

describe('tenantry tenant set', () => {
  it('gives a tenant requests of its own, others for a time, and takes both away', async () => {
    const { set, acme } = await ground()
    const own = await set('--requests-per-minute', '600', '--concurrency', '5')
    expect(own).toMatchObject({
      code: 0,
      out: expect.stringContaining('limits.requestsPerMinute none → 600'),
    })
    const before = Date.now()
    const given = await set('--requests-per-minute', '6000', '--for', '2h')
    expect(given).toMatchObject({
      code: 0,
      out: expect.stringContaining('override.requestsPerMinute none → 6000'),
    })
    const record = await acme()
    expect(record?.requestLimits).toEqual({ requestsPerMinute: 600, concurrency: 5 })
    expect(record?.limitsOverride).toEqual({ requestsPerMinute: 6_000, until: expect.any(String) })
    const hours = (Date.parse(record?.limitsOverride?.until ?? '') - before) / 3_600_000
    expect(hours).toBeGreaterThanOrEqual(2)
    expect(hours).toBeLessThan(2.1)
    await set('--end-override', '--requests-per-minute', 'none', '--concurrency', 'none')
    expect(await acme()).toMatchObject({ requestLimits: {}, limitsOverride: null })
  })

  it.each([
    [['--for', '2h'], /--for needs/],
    [['--for', 'soon', '--concurrency', '5'], /--for must be/],
    [['--for', '2h', '--concurrency', '5', '--end-override'], /exclude each other/],
    [['--requests-per-minute', '60', '--requests-per-second', '1'], /in two ways/],
    [['--concurrency', '0'], /^error: --concurrency: /],
    [['--requests-per-minute', '1.5', '--for', '1h'], /^error: --requests-per-minute: /],
  ])('refuses %j', async (args, err) => {
    const { set } = await ground()
    expect(await set(...args)).toMatchObject({ code: 2, err: expect.stringMatching(err) })
  })
})
