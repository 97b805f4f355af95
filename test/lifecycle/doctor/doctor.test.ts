import { createServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { clock } from '../../../src/lifecycle/doctor/checks/clock.ts'
import { density } from '../../../src/lifecycle/doctor/checks/density.ts'
import { version as versionCheck } from '../../../src/lifecycle/doctor/checks/version.ts'
import { diagnose, diagnoseAndFix } from '../../../src/lifecycle/doctor/doctor.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import { freePort } from '../../support/free-port.ts'
import { LifecycleGround, randomName } from '../ground.ts'
import { isNotOursToClose, linesFor, linesOf, lookOf, put, serverAt, troubles } from './patient.ts'

describe.each([15, 18] as const)('the doctor on Postgres %i', (version) => {
  it('finds nothing wrong with a fresh fleet but the doors that are not ours to close, and names those', async () => {
    await using ground = await LifecycleGround.withServer(version)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    await provisionTenant(ground.parts, { id: 'globex', limits: { maxConnections: 3 } }, 'test')
    const diagnosis = await diagnose(ground.parts, {})
    expect(diagnosis).toMatchObject({ servers: 1, tenants: 2, repaired: [] })
    expect(linesOf(troubles(diagnosis))).toEqual([])
    const doors = linesOf(diagnosis.findings.filter(isNotOursToClose)).join('\n')
    for (const name of ['postgres', 'template1']) expect(doors).toContain(`Database ${name} lets every role`)
  })
})

describe('the doctor', () => {
  it('says what a registered tenant lacks, and looks by its login where there is no admin', async () => {
    await using ground = await LifecycleGround.start(18)
    const [role, name] = [randomName('owner'), randomName('db')]
    const dsnOf = await ground.foreign(role, [name])
    await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) }, server: 'main' }, 'test')
    const lines = (await linesFor(ground.parts)).join('\n')
    expect(lines).toContain(`isolation warning tenant acme: It is not isolated: role ${role} owns database`)
    expect(lines).toContain(`doors warning tenant acme: Its database ${name} lets every role`)
    await suspendTenant(ground.parts, 'acme', {}, 'test')
    expect(await linesFor(ground.parts)).toEqual([
      expect.stringMatching(/^reach info server main: There is no login/),
    ])
  })

  it('finds a server that is down, and looks at the others', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await put(ground, serverAt('gone', '127.0.0.1', await freePort(), { admin: ADMIN }))
    const lines = await linesFor(ground.parts)
    expect(lines[0]).toMatch(/^reach error server gone: It was not looked at whole: .*Left out: version, /)
    expect(lines.some((line) => line.startsWith('doors warning server main:'))).toBe(true)
    expect((await diagnose(ground.parts, { server: 'main' })).counts.error).toBe(0)
  })

  it('gives up on a server that says nothing when its time is over, and leaves no connection', async () => {
    await using ground = await LifecycleGround.start(18)
    const sockets = new Set<object>()
    const silent = createServer((socket) => {
      sockets.add(socket)
      socket
        .resume()
        .on('error', () => undefined)
        .on('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    await put(ground, serverAt('silent', '127.0.0.1', address.port, { admin: ADMIN }))
    const began = performance.now()
    const lines = await linesFor(ground.parts, { serverTimeoutMs: 300 })
    expect(performance.now() - began).toBeLessThan(3_000)
    expect(lines).toEqual([expect.stringMatching(/^reach error server silent: .*not done within 300 ms/)])
    await vi.waitFor(() => expect(sockets.size).toBe(0))
    silent.close()
  })

  it('tells clocks, versions and numbers of databases that are off', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const behind = await diagnose(ground.parts, {}, () => Date.now() + 60_000)
    expect(linesOf(behind.findings).join('\n')).toMatch(
      /clock warning server main: Its clock is 6\d\.\d s behind/,
    )
    await lookOf(ground, async (look) => {
      const [database] = look.catalog.databases.values()
      if (!database) throw new Error('a server without a database')
      const databases = (count: number) =>
        new Map(Array.from({ length: count }, (_, n) => [`db${n}`, database]))
      const crowded = (count: number) =>
        density.run({ ...look, catalog: { ...look.catalog, databases: databases(count) } })
      expect(await crowded(3_000)).toMatchObject([
        { severity: 'warning', what: expect.stringMatching(/^It has 3000/) },
      ])
      expect(await crowded(2_000)).toMatchObject([{ severity: 'info' }])
      expect(await crowded(1_999)).toEqual([])
      const old = { ...look, facts: { ...look.facts, version: 14 } }
      expect(await versionCheck.run(old)).toMatchObject([
        { severity: 'error', what: expect.stringMatching(/Postgres 14/) },
      ])
      const slow = { ...look, facts: { ...look.facts, skewMs: 8_000, skewErrorMs: 4_000 } }
      expect(await clock.run(slow)).toEqual([])
    })
  })

  it('refuses a server that is not there', async () => {
    await using ground = await LifecycleGround.start(18)
    await expect(diagnose(ground.parts, { server: 'nowhere' })).rejects.toMatchObject({
      code: 'server_unknown',
    })
    await expect(diagnoseAndFix(ground.parts, { server: 'NO' }, 'test')).rejects.toThrow(/slug/)
  })
})

const ADMIN = { role: 'admin', password: null, database: 'postgres' }
