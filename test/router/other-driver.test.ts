import { expect, it } from 'vitest'
import { UnsupportedError } from '../../src/errors.ts'
import { openPgConnection } from '../support/pg-login.ts'
import { startWorld } from '../support/world.ts'

it('serves leases over another driver, and names the alternative to its sql handles', async () => {
  await using world = await startWorld(['acme', 'globex'], { connect: openPgConnection, serverBudget: 1 })
  for (const tenant of ['acme', 'globex', 'acme']) {
    using lease = await world.lease(tenant)
    const { rows } = await lease.run({ text: 'select distinct tenant from notes where id > $1', params: [3] })
    expect(rows).toEqual([{ tenant }])
    const refused = Promise.resolve(lease.sql`select 1`)
    await expect(refused).rejects.toBeInstanceOf(UnsupportedError)
    await expect(refused).rejects.toThrow('use lease.run')
  }
  await expect(Promise.resolve(world.router.sql('acme')`select 1`)).rejects.toBeInstanceOf(UnsupportedError)
})
