import { type IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { LookupFunction } from 'node:net'
import { connect } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { neon, neonConfig } from '@neondatabase/serverless'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeAuthority } from '../../support/certificates.ts'
import { CLIENT_ENDPOINT, connectionStringOf, DOMAIN, SqlGround } from './sql-ground.ts'

/**
 * What stands before the service: TLS with a wildcard certificate of the base domain. The client is as it comes,
 * with its own way from the connection string to an address; only names are looked up here, and port 443 is
 * another one.
 */
let ground: SqlGround
let front: Server
let agent: Agent
const asked: string[] = []
const open = new Set<TLSSocket>()

beforeAll(async () => {
  ground = await SqlGround.open()
  const authority = await makeAuthority()
  const { certificate, key } = await authority.issue({ names: [`*.${DOMAIN}`] })
  const { hostname, port } = new URL(ground.url)
  front = createServer({ cert: certificate, key }, (outside) => {
    const inside = connect(Number(port), hostname)
    open.add(outside)
    outside.pipe(inside).pipe(outside)
    outside.on('error', () => inside.destroy()).on('close', () => open.delete(outside))
    inside.on('error', () => outside.destroy())
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  agent = new Agent({ ca: authority.caPem, lookup: toLoopback, keepAlive: false })
  neonConfig.fetchEndpoint = CLIENT_ENDPOINT
  neonConfig.fetchFunction = throughTls
})
afterAll(async () => {
  agent.destroy()
  for (const socket of open) socket.destroy()
  await new Promise((resolve) => front.close(resolve))
  await ground[Symbol.asyncDispose]()
})

const toLoopback: LookupFunction = (_name, options, done) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)

async function throughTls(url: string, init: RequestInit): Promise<Response> {
  asked.push(url)
  const address = front.address()
  if (address === null || typeof address === 'string') throw new Error('the listener has no port')
  const { hostname, host, pathname } = new URL(url)
  const headers = { ...Object.fromEntries(new Headers(init.headers)), host }
  const sent = request({ hostname, path: pathname, port: address.port, method: 'POST', headers, agent })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve)
    sent.once('error', reject)
  })
  sent.end(init.body)
  const response = await answered
  return new Response(await textOf(response), { status: response.statusCode ?? 0 })
}

it('reaches a tenant by a connection string alone, at the host that the client makes of it', async () => {
  const sql = neon(connectionStringOf(ground.key, `acme.${DOMAIN}`))
  expect(await sql`select tenant, current_user = session_user as own from notes limit 1`).toEqual([
    { tenant: 'acme', own: true },
  ])
  const [one, two] = await sql.transaction([sql`select 1 as a`, sql`select 2 as a`])
  expect([one, two]).toEqual([[{ a: 1 }], [{ a: 2 }]])
  expect(new Set(asked)).toEqual(new Set([`https://api.${DOMAIN}/sql`]))
})

it('refuses the key of one tenant under the host of another', async () => {
  const sql = neon(connectionStringOf(ground.key, `globex.${DOMAIN}`))
  await expect(sql`select 1`).rejects.toMatchObject({
    code: '28P01',
    message: /password authentication failed/,
  })
})

it('answers a token in words, at the host that is for tokens', async () => {
  asked.length = 0
  const sql = neon(connectionStringOf(ground.key, `acme.${DOMAIN}`), { authToken: 'a.b.c' })
  await expect(sql`select 1`).rejects.toMatchObject({ code: '0A000' })
  expect(asked).toEqual([`https://apiauth.${DOMAIN}/sql`])
})
