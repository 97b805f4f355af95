import { describe, expect, it } from 'vitest'
import { parseDsn } from '../../../src/connection/dsn.ts'
import { Session } from '../../../src/lifecycle/session.ts'
import { sharedPostgres } from '../../support/postgres.ts'

describe('a session with a signal', () => {
  it('ends with it, whatever runs in it', async () => {
    const over = new AbortController()
    const session = await Session.readOnly(parseDsn(sharedPostgres().dsn()), over.signal)
    const began = performance.now()
    const running = session.execute('select pg_catalog.pg_sleep(30)')
    over.abort()
    await expect(running).rejects.toMatchObject({
      code: expect.stringMatching(/^(connection_lost|outcome_unknown)$/),
    })
    await session[Symbol.asyncDispose]()
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
