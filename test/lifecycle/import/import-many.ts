import { describe, expect, it } from 'vitest'
import { importTenants } from '../../../src/lifecycle/import/import-tenants.ts'
import { Fleet, tenantsOf } from './fleet.ts'

/** The bound for 1,000 rows, on the machine that runs everything else, too. */
const MAX_MS = 10_000

/** `size` tenants over few databases, each with a role of its own. */
export function describeImport(size: number, databases: number): void {
  describe.each([15, 18] as const)(`a list of ${size} tenants on Postgres %i`, (version) => {
    it(
      'is imported within the time there is, each tenant once and pinned, and again at once',
      async () => {
        await using fleet = await Fleet.start(version, { size, databases })
        const { parts } = fleet.ground
        const text = fleet.csv('shared,label.plan', () => 'true,pro')
        const cpu = process.cpuUsage()
        const begun = performance.now()
        const { rows } = await importTenants(parts, { format: 'csv', text }, 'test')
        const tookMs = performance.now() - begun
        const { user, system } = process.cpuUsage(cpu)
        const cpuMs = Math.round((user + system) / 1_000)
        process.stdout.write(
          `import: ${size} rows on Postgres ${version}: ${Math.round(tookMs)} ms, ${cpuMs} ms of them our processor time\n`,
        )
        expect(rows.map(({ outcome }) => outcome)).toEqual(Array.from({ length: size }, () => 'imported'))
        const tenants = await tenantsOf(parts)
        expect(tenants.map(({ id }) => id)).toEqual(fleet.members.map(({ id }) => id))
        expect(new Set(tenants.map(({ identity }) => JSON.stringify(identity))).size).toBe(databases)
        expect(tookMs).toBeLessThan(MAX_MS)
        const again = await importTenants(parts, { format: 'csv', text }, 'test')
        expect(again.rows.every(({ outcome }) => outcome === 'there')).toBe(true)
      },
      60_000 + size * 60,
    )
  })
}
