import { expect, it } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { openConnection } from '../../src/connection/open.ts'
import { CancelledError, ServerUnavailableError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { startPostgres } from '../support/postgres.ts'
import { failureOf } from './port-under-test.ts'

it('reaches a server that has no slot left for anyone', async () => {
  await using server = await startPostgres({
    settings: { max_connections: '8', superuser_reserved_connections: '3', max_wal_senders: '0' },
  })
  const target = {
    host: server.host,
    port: server.port,
    database: 'postgres',
    user: server.superuser.user,
    password: new Secret(server.superuser.password),
    tls: { mode: 'disable' },
  } as const
  const open = () => openConnection(target, { connectTimeoutMs: 5_000 })
  const connections: Connection[] = []
  for (let n = 0; n < 8; n++) connections.push(await open())
  const refused = await failureOf(open())
  expect(refused).toBeInstanceOf(ServerUnavailableError)
  expect(refused).toMatchObject({ sqlstate: '53300' })

  const running = connections.map((own) => failureOf(own.run({ text: 'select pg_sleep(60)' })))
  await new Promise((resolve) => setTimeout(resolve, 50))
  const start = performance.now()
  await Promise.all(connections.map((own) => own.cancel()))
  // A cancel that reaches the server before its statement does nothing.
  const again = setInterval(() => {
    for (const own of connections) if (own.isBusy) void own.cancel()
  }, 100)
  for (const end of await Promise.all(running)) expect(end).toBeInstanceOf(CancelledError)
  clearInterval(again)
  expect(performance.now() - start).toBeLessThan(5_000)
  for (const own of connections) {
    expect((await own.run({ text: 'select 1 as n' })).rows).toEqual([{ n: 1 }])
    await own.close()
  }
})
