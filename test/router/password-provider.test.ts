import { describe, expect, it, vi } from 'vitest'
import { openConnection } from '../../src/connection/open.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { type PasswordProvider, PasswordSource } from '../../src/router/password-source.ts'
import { RouteOpener } from '../../src/router/route-opener.ts'
import { TenantRouter } from '../../src/router/tenant-router.ts'
import { startWorld, type World } from '../support/world.ts'

/** A tenant whose password was refused is held back for a second. */
const within10s = { timeout: 10_000, interval: 50 }

/** The world's tenants, whose server takes its passwords from the provider `iam`. */
async function routerOf(world: World, provider?: PasswordProvider): Promise<TenantRouter> {
  const server = await world.registry.find('server', 'main')
  if (!server) throw new Error('no server')
  const audit = { actor: 'test', action: 'test', target: 'main', at: new Date().toISOString(), detail: {} }
  const record = { ...server.record, passwordProvider: 'iam' }
  await world.registry.commit({ puts: [{ kind: 'server', id: 'main', record }], audit }, [
    { kind: 'server', id: 'main', revision: server.revision },
  ])
  const options = { connectTimeoutMs: 1_000 }
  const opener = new RouteOpener(
    new Sealer(MasterKeys.fromText(generateMasterKey())),
    world.registry.id,
    RouterOptions.parse(options),
    openConnection,
    new PasswordSource(provider && { iam: provider }),
  )
  const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
  return new TenantRouter(world.directory, backends, options)
}

describe('a server whose passwords are made when they are needed', () => {
  it('is told who logs in and where, once for all who wait, and keeps a password until it expires', async () => {
    await using world = await startWorld(['acme'])
    const { role, password } = world.placeOf('acme')
    let lifeMs = 60_000
    const provider = vi.fn<PasswordProvider>(async () => ({
      password,
      expiresAt: new Date(Date.now() + lifeMs),
    }))
    await using router = await routerOf(world, provider)
    const ask = () => router.sql('acme')`select tenant from notes limit 1`
    for (const rows of await Promise.all([ask(), ask(), ask()])) expect(rows).toEqual([{ tenant: 'acme' }])
    const { host, port } = world.server
    expect(provider.mock.calls).toEqual([[{ server: 'main', host, port, role }]])
    router.evict('acme')
    await ask()
    expect(provider).toHaveBeenCalledTimes(1)
    lifeMs = 0
    // One that the server refuses is not kept, whatever it said of its time.
    await world.server.execute(`alter role ${role} password 'another'`)
    router.evict('acme')
    await expect(ask()).rejects.toMatchObject({ code: 'login_failed' })
    await world.server.execute(`alter role ${role} password '${password}'`)
    await vi.waitFor(ask, within10s)
    expect(provider).toHaveBeenCalledTimes(2)
    router.evict('acme')
    await vi.waitFor(ask, within10s)
    expect(provider).toHaveBeenCalledTimes(3)
  })

  it.each<[string, PasswordProvider]>([
    ['throws', () => Promise.reject(new Error('no token'))],
    ['never answers', () => new Promise(() => {})],
  ])(
    'is unavailable, and waits no longer than for a connection, where its provider %s',
    async (_, provider) => {
      await using world = await startWorld(['acme'])
      await using router = await routerOf(world, provider)
      await expect(router.sql('acme')`select 1`).rejects.toMatchObject({
        code: 'server_unavailable',
        message: expect.stringContaining('password provider iam of server main'),
      })
    },
  )

  it('is not supported by a process without its provider, which is named', async () => {
    await using world = await startWorld(['acme'])
    await using router = await routerOf(world)
    await expect(router.sql('acme')`select 1`).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('passwordProviders: { iam }'),
    })
  })
})
