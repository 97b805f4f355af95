import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OPERATOR_ROUTES, type OperatorRoute } from '../../src/http/admin/access.ts'
import { AnswerSchemas } from './answer-schemas.ts'
import { OperatedWorld } from './operated-world.ts'
import { ROUTE_CALLS, type RouteCall } from './route-calls.ts'

let world: OperatedWorld
let schemas: AnswerSchemas
beforeAll(async () => {
  world = await OperatedWorld.start()
  schemas = new AnswerSchemas((await world.service.operate('/openapi.json')).json)
  const { status, text } = await world.service.operate('/v1/servers', {
    body: { id: 'main', dsn: world.adminDsn },
  })
  if (status !== 201) throw new Error(text)
})
afterAll(() => world[Symbol.asyncDispose]())

const ROUTES = Object.keys(OPERATOR_ROUTES) as OperatorRoute[] // its own keys, which `keys` forgets

describe('every route of the operator plane', () => {
  it.each(ROUTES)('%s answers as its document says, and what it changes is audited', async (route) => {
    const call: RouteCall = ROUTE_CALLS[route]
    const { path, body } = (await call.prepare?.(world)) ?? {}
    const [method = '', template = ''] = route.split(' ')
    const before = world.audited().length
    const url = path ?? template
    const answer = await (call.isStream === true
      ? firstOf(url)
      : world.service.operate(url, { method, ...(body === undefined ? {} : { body }) }))
    expect([answer.status, answer.text]).toEqual([call.status ?? 200, answer.text])
    const heard = { status: answer.status, type: String(answer.headers['content-type']), body: answer.json }
    expect(schemas.faultsOf(route, heard)).toEqual([])
    const audited = world.audited().slice(before)
    const own = audited.filter(({ actor }) => actor.startsWith('key:')).map(({ action }) => action)
    const meant = call.audited === undefined ? [] : [call.audited]
    // A change may be more than one entry: of an operation, each step is.
    expect(meant.length === 0 ? own : own.filter((action) => action === call.audited).slice(0, 1)).toEqual(
      meant,
    )
  })
})

/** Of a stream, what can be told before its end. */
async function firstOf(path: string) {
  const sent = world.service.open(path, world.service.asAdmin())
  return new Promise<Awaited<ReturnType<OperatedWorld['service']['operate']>>>((resolve, reject) => {
    sent.once('error', reject)
    sent.once('response', (response) => {
      response.destroy()
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: '', json: undefined })
    })
  })
}
