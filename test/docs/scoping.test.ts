import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import { pino } from 'pino'
import * as tenantry from 'tenantry'
import * as overRedis from 'tenantry/redis'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { startScopes } from '../scope/scope-ground.ts'

const page = readFileSync(new URL('../../docs/scoping.md', import.meta.url), 'utf8')
const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)

it('the code of the page about scopes runs as it stands there', async () => {
  await using ground = await startScopes()
  const { world, server, redis } = ground
  await world.execute(
    'acme',
    `create table projects (id int primary key, name text); insert into projects values (7, 'roof');
     grant select on projects to ${world.placeOf('acme').role}`,
  )
  const kept: unknown[] = []
  const keep = async (...what: unknown[]) => void kept.push(what)
  const names = {
    ...tenantry,
    ...overRedis,
    openRedis: (url: string) => {
      expect(() => new URL(url)).not.toThrow()
      return redis // in place of the page's
    },
    pino: (options: object) => pino(options, { write: (line) => kept.push(JSON.parse(line)) }),
    router: world.router,
    key: 'a key of at least 32 characters ...',
    tenant: tenantry.parseTenantId('acme'),
    Payload: z.object({ projectId: z.int() }),
    queue: { add: keep },
    userId: 'u1',
    picture: 'a picture',
    text: 'roof',
    project: { id: 7, name: 'roof' },
    storage: { put: keep },
    index: { put: keep, find: keep },
    events: { publish: keep },
  }
  const body = `${blocks.join('\n')}\nlog.info('outside'); return { projects, ran: await work(envelope), name, topic }`
  const run: unknown = runInThisContext(`(async (${Object.keys(names).join(', ')}) => { ${body} })`)
  if (typeof run !== 'function') throw new Error('it is a function')
  const { projects, ran, name, topic } = await Reflect.apply(run, undefined, Object.values(names))
  expect(projects).toEqual([{ id: 7, name: 'roof' }])
  expect(ran).toEqual([{ name: 'roof' }])
  expect([name, topic].map(String)).toEqual([
    expect.stringMatching(/^acme\.\d+\.[0-9a-f]{64}$/),
    expect.stringMatching(/^acme\./),
  ])
  expect(kept).toHaveLength(6)
  expect(kept).toContainEqual([
    { id: expect.stringMatching(/^acme/), scope: expect.stringMatching(/^acme/), name: 'roof' },
  ])
  expect(await server.command('dbsize')).toBeGreaterThan(0)
})
