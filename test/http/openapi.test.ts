import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OPERATOR_ROUTES } from '../../src/http/admin/access.ts'
import { type HttpWorld, startHttpWorld } from './http-world.ts'

/** Made once: it compiles the schema of OpenAPI. */
const validator = new Validator()

let http: HttpWorld
beforeAll(async () => {
  http = await startHttpWorld([])
})
afterAll(() => http[Symbol.asyncDispose]())

type Paths = Record<string, Record<string, { operationId: string; summary: string; security: object[] }>>

/** As `POST /v1/tenants/:id`. */
function routesOf(paths: Paths): string[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  )
}

describe.each(['operators', 'tenants'] as const)('GET /openapi.json for %s', (plane) => {
  const ask = () => (plane === 'operators' ? http.operate('/openapi.json') : http.ask('/openapi.json'))

  it('is a valid document of OpenAPI 3.1, open to all', async () => {
    const { status, json } = await ask()
    expect([status, json.openapi]).toEqual([200, '3.1.0'])
    expect(await validator.validate(structuredClone(json))).toEqual({ valid: true })
  })

  it('has every route of the plane, and nothing besides', async () => {
    const { json } = await ask()
    const app = plane === 'operators' ? http.operators : http.tenants
    const served = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`)
    expect(routesOf(json.paths).toSorted()).toEqual([...new Set(served)].toSorted())
  })

  it('names each operation once, says what it does, and refers only to what is there', async () => {
    const { json, text } = await ask()
    const operations = Object.values(json.paths as Paths).flatMap((methods) => Object.values(methods))
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    expect(operations.filter(({ summary }) => !/^[A-Z].*[^.]$/.test(summary))).toEqual([])
    const targets = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)]
    expect(targets.length).toBeGreaterThan(0)
    const broken = targets.filter(([, kind = '', name = '']) => json.components[kind]?.[name] === undefined)
    expect(broken).toEqual([])
  })
})

describe('the document of the operator plane', () => {
  it('says of each route which role it needs', async () => {
    const { json } = await http.operate('/openapi.json')
    const needed = Object.entries(json.paths as Paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => [
        `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
        security.length === 0 ? 'open' : Object.values(security[0] ?? {}).flat()[0],
      ]),
    )
    expect(Object.fromEntries(needed)).toEqual(OPERATOR_ROUTES)
  })

  it('describes bodies by the schemas that check them', async () => {
    const { json } = await http.operate('/openapi.json')
    const { schema } = json.paths['/v1/tenants/{id}'].patch.requestBody.content['application/json']
    expect(schema.properties.limits.properties.maxConnections).toMatchObject({
      anyOf: [{ type: 'integer', exclusiveMinimum: 0 }, { type: 'null' }],
    })
    expect(schema.additionalProperties).toBe(false)
  })
})
