import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import { Hono } from 'hono'
import * as honoFace from 'tenantry/hono'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { keyOf } from '../http/tenancy/ground.ts'
import { startWorld, type World } from '../support/world.ts'
import { putAlias } from '../support/world-keys.ts'

let world: World
beforeAll(async () => {
  world = await startWorld(['acme', 'globex'])
  const { role } = world.placeOf('acme')
  await world.execute(
    'acme',
    `create table projects (id int primary key, name text); insert into projects values (7, 'roof'); grant select on projects to ${role}`,
  )
})
afterAll(() => world[Symbol.asyncDispose]())

/** The code of a page, in one piece; types are left out, and the names that it imports are given. */
function codeOf(page: string): string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  return blocks
    .join('\n')
    .replaceAll(/^import .*$/gm, '')
    .replaceAll('<TenancyEnv>', '')
}

async function run(code: string, names: Readonly<Record<string, unknown>>): Promise<unknown> {
  const all = { ...names, ...honoFace, Hono, router: world.router }
  const made: unknown = runInThisContext(`(async (${Object.keys(all).join(', ')}) => { ${code} })`)
  if (typeof made !== 'function') throw new Error('it is a function')
  return Reflect.apply(made, undefined, Object.values(all))
}

const projects = [{ id: 7, name: 'roof' }]

it('the code of the page about resolvers runs as it stands there', async () => {
  const code = `${codeOf('resolvers.md')}
    const asUser = (tenant, user) => sessions.request('http://' + tenant + '.example.com/projects', { headers: { cookie: user } })
    await app.request('http://acme.example.com/projects', { headers: { authorization: 'Bearer tk_nothing' } })
    return [await answer.json(), tokens.proves, await (await asUser('acme', 'u1')).json(), (await asUser('globex', 'u1')).status]`
  const told: string[] = []
  const answers = await run(code, {
    log: { info: (line: string) => void told.push(line) },
    key: await keyOf(world, 'acme'),
    userOf: async (c: { req: { header: (name: string) => string | undefined } }) => c.req.header('cookie'),
    memberships: new Set(['u1:acme']),
  })
  expect(answers).toEqual([projects, true, projects, 404])
  expect(told).toEqual([expect.stringContaining('Authorization is not')])
})

it('the code of the page about subdomains runs as it stands there, and hosts are read as it says', async () => {
  await putAlias(world, 'hostname', 'projects.acme.test', 'acme')
  const app = await run(`${codeOf('tenants-by-subdomain.md')} return app`, { memberOf: async () => 'acme' })
  if (!(app instanceof Hono)) throw new Error('it is an app')
  const status = async (host: string, path = '/projects') =>
    (await app.request(`http://app.test${path}`, { headers: { host } })).status
  expect(await status('anything.test', '/healthz')).toBe(200)
  for (const host of ['acme.example.com', 'ACME.example.com.:8443', 'acme.example.dev', 'projects.acme.test'])
    expect([host, await status(host)]).toEqual([host, 200])
  for (const host of [
    'example.com',
    'www.example.com',
    '127.0.0.1',
    '[::1]',
    'localhost',
    'a.acme.example.com',
    'bücher.example',
  ])
    expect([host, await status(host)]).toEqual([host, 400])
  for (const host of ['globex.example.com', 'nobody.example.com', 'elsewhere.test'])
    expect([host, await status(host)]).toEqual([host, 404])
})
