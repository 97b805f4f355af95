import { describe, expect, it } from 'vitest'
import { adoptTenant } from '../../../src/lifecycle/adopt/adopt-tenant.ts'
import { Directory } from '../../../src/registry/directory.ts'
import { RouterOptions } from '../../../src/router/options.ts'
import { RouteOpener } from '../../../src/router/route-opener.ts'
import { TenantRouter } from '../../../src/router/tenant-router.ts'
import { AdoptGround } from './adopt-ground.ts'

/** Adopts and undoes `rounds` times while `workers` read and write through a router of this process. */
export function describeAdoptionUnderLoad(workers: number, rounds: number, timeoutMs: number): void {
  describe.each([15, 18] as const)(`a tenant that ${workers} workers use on Postgres %i`, (version) => {
    it(
      'is adopted, and that undone, without a request that fails',
      async () => {
        await using world = await AdoptGround.start(version)
        await world.register()
        const { registry, parts } = world.ground
        await using directory = new Directory(registry)
        const options = { maxConnections: 4 }
        const opener = new RouteOpener(parts.sealer, registry.id, RouterOptions.parse(options))
        const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
        await using router = new TenantRouter(directory, backends, options)
        const roles = new Map<string, number>()
        const failures: unknown[] = []
        let isOver = false
        const work = async () => {
          while (!isOver) {
            try {
              const [row] = await router.transaction('acme', {}, async (sql) => {
                await sql`insert into notes (body) values ('x')`
                return sql`select current_user::text as role, count(*) from notes`
              })
              const role = String(row?.['role'])
              roles.set(role, (roles.get(role) ?? 0) + 1)
            } catch (error) {
              failures.push(error)
            }
          }
        }
        const working = Promise.all(Array.from({ length: workers }, work))
        for (let round = 1; round <= rounds; round += 1) {
          await adoptTenant(parts, 'acme', {}, 'test')
          await adoptTenant(parts, 'acme', { undo: true, hearMs: 300 }, 'test')
        }
        isOver = true
        await working
        const requests = [...roles.values()].reduce((sum, count) => sum + count, 0)
        process.stdout.write(
          `adoption under load: ${JSON.stringify({ requests, roles: roles.size, failed: failures.length })}\n`,
        )
        expect(failures).toEqual([])
        expect(roles.size).toBe(1 + rounds)
        const [row] = await world.query('acme', "select count(*)::int as n from notes where body = 'x'")
        expect(row).toEqual({ n: requests })
      },
      timeoutMs,
    )
  })
}
