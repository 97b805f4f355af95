import { expect, it } from 'vitest'
import { startPostgres } from '../../support/postgres.ts'
import { restartAsStandby } from '../../support/standby.ts'
import { expectWholeTenants } from './refused-writes.ts'

export function describeReadOnly(steps: readonly string[]): void {
  it('a management Postgres that has become a standby leaves no tenant half made, and stops none that is in use', async () => {
    await using server = await startPostgres()
    await server.createDatabase('registry')
    const management = {
      dsn: server.dsn('registry'),
      refuseWrites: () => restartAsStandby(server),
      takeWrites: async () => {
        expect(await server.query('select pg_promote() as done')).toEqual([{ done: true }])
      },
    }
    expect(await expectWholeTenants(management, steps)).toBe(steps.length)
  }, 120_000)
}
