import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { targetOf } from '../../src/registry/route.ts'
import { type Authority, type Certificate, makeAuthority } from '../support/certificates.ts'
import { LifecycleGround, randomName } from './ground.ts'
import { type Meddling, PasswordFront } from './password-front.ts'

let authority: Authority
let certificate: Certificate

beforeAll(async () => {
  authority = await makeAuthority()
  certificate = await authority.issue({ names: ['127.0.0.1'] })
})

async function verifierOf(ground: LifecycleGround, role: string): Promise<string> {
  const rows = await ground.server.query<{ verifier: string }>(
    'select rolpassword as verifier from pg_authid where rolname = $1',
    [role],
  )
  return rows[0]?.verifier ?? ''
}

async function passwordOf(ground: LifecycleGround, tenant: string): Promise<string> {
  const record = await ground.tenant(tenant)
  const server = await ground.registry.find('server', 'main')
  if (!server) throw new Error('no server')
  const { password } = targetOf(record, server.record, ground.parts.sealer, ground.registry.id)
  return password?.reveal() ?? ''
}

/** The server on record through a front that meddles. */
async function behind(front: PasswordFront, ground: LifecycleGround, sslmode: string): Promise<void> {
  const ca = join(ground.folder, 'ca.pem')
  await writeFile(ca, authority.caPem)
  const trusted = sslmode === 'disable' ? '' : `&sslrootcert=${ca}`
  const dsn = `postgres://${ground.admin.role}:pw@127.0.0.1:${front.port}/postgres?sslmode=${sslmode}${trusted}`
  await addServer(ground.parts, { id: 'main', dsn }, 'test')
}

const startFront = (ground: LifecycleGround, meddling: Meddling) =>
  PasswordFront.start(ground.server, certificate, meddling)

describe('the login role of a provisioned tenant', () => {
  it.each([
    [15, 1],
    [18, 1],
    [18, 100_000],
    [18, undefined],
  ] as const)(
    'on Postgres %i has a verifier of the %s iterations that are set, or 4096',
    async (version, set) => {
      await using ground = await LifecycleGround.withServer(version)
      const parts = { ...ground.parts, ...(set ? { scramIterations: set } : {}) }
      const { tenant } = await provisionTenant(parts, { id: 'acme' }, 'test')
      expect(await verifierOf(ground, tenant.role)).toMatch(new RegExp(`^SCRAM-SHA-256\\$${set ?? 4096}:`))
      const client = await ground.connect('acme')
      expect((await client.query('select current_user::text as role')).rows).toEqual([{ role: tenant.role }])
    },
  )

  it('gets its password itself, over verified TLS, where the server takes no verifier', async () => {
    await using ground = await LifecycleGround.start(18)
    await using front = await startFront(ground, 'refuse')
    await behind(front, ground, 'verify-full')
    const parts = { ...ground.parts, scramIterations: 1 }
    const { tenant } = await provisionTenant(parts, { id: 'acme' }, 'test')
    expect(tenant.status).toBe('active')
    expect(front.heard).toContain(`password '${await passwordOf(ground, 'acme')}'`)
    expect(front.plain).toBe(0)
    expect(await verifierOf(ground, tenant.role)).toMatch(/^SCRAM-SHA-256\$/)
  })

  it.each(['disable', 'require', 'verify-ca'])(
    'gets no password with sslmode=%s from a server that takes no verifier, and is not in use',
    async (sslmode) => {
      await using ground = await LifecycleGround.start(18)
      await using front = await startFront(ground, 'refuse')
      await behind(front, ground, sslmode)
      const made = provisionTenant(ground.parts, { id: 'acme' }, 'test')
      await expect(made).rejects.toMatchObject({
        code: 'precondition_failed',
        publicDetail: expect.stringMatching(/sslmode=verify-full/),
      })
      expect(front.heard).not.toContain(await passwordOf(ground, 'acme'))
      expect((await ground.tenant('acme')).status).toBe('failed')
    },
  )

  /** The digit changes and no length does, so the server keeps a verifier that is not ours. */
  const changed = (message: Buffer) =>
    Buffer.from(
      message
        .toString('latin1')
        .replace(`login password 'SCRAM-SHA-256$1:`, `login password 'SCRAM-SHA-256$2:`),
      'latin1',
    )

  it.each([
    ['its verifier is read back by an admin that may', true, /verifier of role \S+ is not the one/],
    ['its login fails', false, /password authentication failed/],
  ])('is not put to use where %s and it is another', async (_, mayLook, why) => {
    await using ground = await LifecycleGround.start(18)
    await using front = await startFront(ground, changed)
    await behind(front, ground, 'verify-full')
    const rights = 'select (rolname, rolpassword) on pg_authid'
    const admin = pg.escapeIdentifier(ground.admin.role)
    if (mayLook) await ground.server.execute(`grant ${rights} to ${admin}`)
    try {
      const made = provisionTenant({ ...ground.parts, scramIterations: 1 }, { id: 'acme' }, 'test')
      await expect(made).rejects.toThrow(why)
      expect((await ground.tenant('acme')).status).toBe('failed')
    } finally {
      if (mayLook) await ground.server.execute(`revoke ${rights} from ${admin}`)
    }
  })
})

it('leaves the verifier of a registered tenant as it is', async () => {
  await using ground = await LifecycleGround.withServer(18)
  const role = randomName('theirs')
  const database = randomName('theirs')
  const dsn = (await ground.foreign(role, [database]))(database)
  const before = await verifierOf(ground, role)
  await registerTenant({ ...ground.parts, scramIterations: 1 }, { id: 'acme', route: { dsn } }, 'test')
  expect(await verifierOf(ground, role)).toBe(before)
})
