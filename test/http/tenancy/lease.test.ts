import { once } from 'node:events'
import { request, type Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { header, type TenancyEnv, tenancy, tenancyErrors } from 'tenantry/hono'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Lease } from '../../../src/router/lease.ts'
import { currentTenant } from '../../../src/tenant/tenant-context.ts'
import { startWorld, type World } from '../../support/world.ts'

const BYTES = 200_000
const ASK = { headers: { 'x-tenant-id': 'acme' } }

let world: World
/** Those that the handlers took. */
const taken: Lease[] = []
/** Lets a handler that waits go on. */
let proceed = () => {}
let gate = Promise.resolve()

const app = new Hono<TenancyEnv>()
let server: Server
let url: string
beforeAll(async () => {
  world = await startWorld(['acme'])
  app.use('/instead', async (c, next) => {
    await next()
    c.res = new Response('another answer')
  })
  app.use(tenancy({ router: world.router, resolve: [header()], authorize: () => true }))
  app.use(async (c, next) => {
    const { lease } = c.var
    c.set('lease', async (options) => {
      const one = await lease(options)
      taken.push(one)
      return one
    })
    await next()
  })
  routes()
  server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server // HTTP/1.1, as nothing else is asked for
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await world[Symbol.asyncDispose]()
})
beforeEach(() => {
  gate = new Promise((resolve) => (proceed = resolve))
})
afterEach(() => {
  proceed()
  taken.length = 0
})

const waiting = () => world.router.stats().waiters
const isLeased = () => taken.some((lease) => !lease.isOver)

function routes() {
  app.get('/text', async (c) => {
    const lease = await c.var.lease()
    const [row] = await lease.sql`select tenant from notes limit 1`
    return c.json(row)
  })
  app.get('/large', async (c) => {
    await c.var.lease()
    return c.text('x'.repeat(BYTES * 100))
  })
  app.get('/twice', async (c) => {
    const [one, two] = await Promise.all([c.var.lease(), c.var.lease()])
    one.release()
    const three = await c.var.lease()
    return c.json({ isSame: one === two, isNew: three !== one, isLive: !three.isOver })
  })
  app.get('/throws', async (c) => {
    await c.var.lease()
    throw new Error('of the application')
  })
  app.get('/throws-text', async (c) => {
    await c.var.lease()
    throw 'not even an error'
  })
  app.get('/empty', async (c) => {
    await c.var.lease()
    return c.body(null, 204)
  })
  app.get('/late', (c) => {
    const late = gate.then(() => c.var.lease())
    void late.catch(() => undefined)
    return stream(c, async (out) => {
      const answer = await late.then(
        () => 'leased',
        (error: Error) => error.message,
      )
      await out.write(answer)
    })
  })
  app.get('/stream', (c) =>
    stream(c, async (out) => {
      const lease = await c.var.lease()
      await out.write('begun ')
      await gate
      for await (const rows of lease.sql`select tenant from notes order by id`.cursor(5)) {
        await out.write(rows.map((row) => String(row['tenant'])).join())
      }
    }),
  )
  app.get('/pull', async (c) => {
    const lease = await c.var.lease()
    let parts = 0
    const pull = async (sink: ReadableStreamDefaultController<Uint8Array>) => {
      parts += 1
      const asked = currentTenant()
      const [row] = await lease.sql`select ${parts}::int as part`
      sink.enqueue(Buffer.from(`${String(row?.['part'])} ${asked} `))
      if (parts === 40) sink.close()
    }
    // Asked for its parts when somebody reads, in whatever context that is.
    return c.body(new ReadableStream({ pull }, new CountQueuingStrategy({ highWaterMark: 0 })))
  })
  app.get('/breaks', async (c) => {
    await c.var.lease()
    let parts = 0
    const pull = (sink: ReadableStreamDefaultController<Uint8Array>) => {
      parts += 1
      if (parts > 3) throw new Error('half of it')
      sink.enqueue(Buffer.from('part '))
    }
    return c.body(new ReadableStream({ pull }))
  })
  app.on('GET', ['/endless', '/instead'], async (c) => {
    await c.var.lease()
    const pull = (sink: ReadableStreamDefaultController<Uint8Array>) => sink.enqueue(new Uint8Array(BYTES))
    return c.body(new ReadableStream({ pull }))
  })
  app.get('/held', async (c) => {
    const lease = await c.var.lease()
    await gate
    const [row] = await lease.sql`select tenant from notes limit 1`
    return c.json(row)
  })
  app.onError(tenancyErrors((_error, c) => c.text('failed', 500)))
}

/** Begins a request on a real connection, which can be cut. */
function begin(path: string) {
  const asked = request(`${url}${path}`, { ...ASK, agent: false })
  asked.on('error', () => undefined) // it is cut on purpose
  asked.end()
  return asked
}

describe.each(['app.request()', 'node-server'])('the lease of a request by %s', (by) => {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    by === 'node-server'
      ? fetch(`${url}${path}`, { ...ASK, ...init })
      : app.request(path, { ...ASK, ...init })

  it.each([
    ['/text', 200, '{"tenant":"acme"}'],
    ['/twice', 200, '{"isSame":true,"isNew":true,"isLive":true}'],
    ['/throws', 500, 'failed'],
    ['/empty', 204, ''],
  ])('is over when the answer to %s is', async (path, status, body) => {
    const answer = await ask(path)
    expect([answer.status, await answer.text()]).toEqual([status, body])
    expect(taken.length).toBeGreaterThan(0)
    await expect.poll(isLeased).toBe(false)
  })

  it('is over when the handler is, where the body is whole, though nobody has read it', async () => {
    const answer = await ask('/large')
    await expect.poll(isLeased).toBe(false)
    expect(await answer.text()).toHaveLength(BYTES * 100)
  })

  it('is over after HEAD, which reads no body', async () => {
    const answer = await ask('/endless', { method: 'HEAD' })
    expect(answer.status).toBe(200)
    expect(taken).toHaveLength(1)
    await expect.poll(isLeased).toBe(false)
  })

  it('lasts to the last byte of a stream', async () => {
    const answer = await ask('/stream')
    const reader = answer.body?.getReader()
    const first = await reader?.read()
    expect(Buffer.from(first?.value ?? []).toString()).toMatch(/^begun /)
    expect(isLeased()).toBe(true)
    proceed()
    let rest = ''
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read())
      rest += Buffer.from(part.value).toString()
    expect(rest.match(/acme/g)).toHaveLength(20)
    await expect.poll(isLeased).toBe(false)
  })

  it('is the tenant’s in a body that is read piece by piece', async () => {
    const text = await (await ask('/pull')).text()
    expect(text).toBe(Array.from({ length: 40 }, (_, i) => `${i + 1} acme `).join(''))
    await expect.poll(isLeased).toBe(false)
  })

  it('is over when a body breaks', async () => {
    await expect(ask('/breaks').then((answer) => answer.text())).rejects.toThrow(
      /half of it|terminated|fetch failed|other side closed/,
    )
    expect(taken).toHaveLength(1)
    await expect.poll(isLeased).toBe(false)
  })

  it('is over when whoever reads a body wants no more of it', async () => {
    const answer = await ask('/endless')
    const reader = answer.body?.getReader()
    await reader?.read()
    expect(isLeased()).toBe(true)
    await reader?.cancel()
    await expect.poll(isLeased).toBe(false)
  })

  it('cannot be taken when the response was returned already', async () => {
    const answer = await ask('/late')
    proceed()
    expect(await answer.text()).toMatch(/after the response was returned/)
    expect(taken).toEqual([])
  })
})

it('is over where a middleware around tenancy() answers in its place, and nobody reads its body', async () => {
  expect(await (await fetch(`${url}/instead`, ASK)).text()).toBe('another answer')
  expect(taken).toHaveLength(1)
  await expect.poll(isLeased).toBe(false)
})

describe('a client that leaves', () => {
  it('ends the lease of a stream', async () => {
    const asked = begin('/endless')
    const [answer] = await once(asked, 'response')
    await once(answer, 'data')
    expect(isLeased()).toBe(true)
    asked.destroy()
    await expect.poll(isLeased).toBe(false)
  })

  it('before anything is answered leaves the handler its lease until it is done', async () => {
    const connected = once(server, 'connection')
    const asked = begin('/held')
    const [socket] = await connected
    await expect.poll(() => taken.length).toBe(1)
    asked.destroy()
    await once(socket, 'close')
    expect(isLeased()).toBe(true)
    proceed()
    await expect.poll(isLeased).toBe(false)
  })

  it('ends the wait for a connection', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => world.lease('acme')))
    try {
      const asked = begin('/text')
      await expect.poll(() => waiting()).toBe(1)
      asked.destroy()
      await expect.poll(() => waiting()).toBe(0)
      expect(taken).toEqual([])
    } finally {
      for (const lease of all) lease.release()
    }
  })

  it('is told by the signal of a request without a server, too', async () => {
    const aborter = new AbortController()
    const answer = await app.request('/endless', { ...ASK, signal: aborter.signal })
    await answer.body?.getReader().read()
    expect(isLeased()).toBe(true)
    aborter.abort()
    await expect.poll(isLeased).toBe(false)
  })
})

describe('a handler', () => {
  it('that throws what is no error loses its lease all the same', async () => {
    await expect(app.request('/throws-text', ASK)).rejects.toBe('not even an error')
    expect(taken).toHaveLength(1)
    expect(isLeased()).toBe(false)
  })
})
