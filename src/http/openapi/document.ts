import type { z } from 'zod'
import { Operation } from './answers.ts'
import { answerSchemaOf, componentSchemas, type JsonSchema, jsonSchemaOf, refTo } from './json-schema.ts'
import { type Answer, isSchema, type RouteDoc } from './route-doc.ts'

/** One plane, as its document tells it. */
export interface Plane {
  readonly title: string
  readonly description: string
  readonly version: string
  /** Name of its security scheme → what it is. */
  readonly scheme: { readonly name: string; readonly description: string }
  readonly routes: readonly DocumentedRoute[]
}

export interface DocumentedRoute extends RouteDoc {
  readonly method: string
  /** With `:id` for what varies. */
  readonly path: string
  /** `open`, or the roles of the key that it needs: none where every key will do. */
  readonly access: 'open' | readonly string[]
  /** Whether a change may be bound to a revision. */
  readonly takesIfMatch: boolean
  /** Whether the answer shows one record, with its revision as ETag. */
  readonly showsRecord: boolean
}

/** An OpenAPI 3.1 document. */
export interface Document {
  readonly openapi: '3.1.0'
  readonly info: Readonly<Record<string, unknown>>
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components: Readonly<Record<string, unknown>>
}

export function documentOf({ title, description, version, scheme, routes }: Plane): Document {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, scheme.name) }
  }
  return {
    openapi: '3.1.0',
    info: { title, description, version, license: { name: 'MIT', identifier: 'MIT' } },
    paths,
    components: {
      schemas: componentSchemas(),
      responses: { Problem: PROBLEM },
      securitySchemes: {
        [scheme.name]: { type: 'http', scheme: 'bearer', description: scheme.description },
      },
    },
  }
}

const PROBLEM = {
  description: 'What went wrong; match on `code`.',
  content: { 'application/problem+json': { schema: { $ref: refTo('Problem') } } },
}
const A_PROBLEM = { $ref: '#/components/responses/Problem' }

function operationOf(route: DocumentedRoute, scheme: string) {
  const { summary, body, access } = route
  const parameters = [...pathParameters(route.path), ...queryParameters(route.query), ...headers(route)]
  return {
    operationId: operationIdOf(route),
    summary,
    tags: [tagOf(route.path)],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse({}).success,
            content: {
              'application/json': { schema: jsonSchemaOf(body, 'input') },
              ...textOf(route.otherBodies),
            },
          },
        }),
    responses: responsesOf(route),
    security: access === 'open' ? [] : [{ [scheme]: access }],
  }
}

function operationIdOf({ method, path }: DocumentedRoute): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'v1')
  return [method.toLowerCase(), ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('')
}

function tagOf(path: string): string {
  const [, first = '', second] = path.split('/')
  return first === 'v1' && second !== undefined ? second : 'service'
}

function pathParameters(path: string) {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}

function queryParameters(query: z.ZodObject | undefined) {
  if (query === undefined) return []
  const { properties = {}, required = [] } = jsonSchemaOf(query, 'input')
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }))
}

function headers({ takesIfMatch, isLong, headers = {} }: DocumentedRoute) {
  const told = {
    ...headers,
    ...(takesIfMatch
      ? { 'If-Match': 'Only where the record still has this ETag, like "7"; else 409 revision_conflict.' }
      : {}),
    ...(isLong ? { Prefer: 'How long to wait for the end: respond-async, or wait=SECONDS.' } : {}),
  }
  return Object.entries(told).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }))
}

/** Bodies that no schema describes. */
function textOf(mediaTypes: readonly string[] = []) {
  return Object.fromEntries(mediaTypes.map((type) => [type, { schema: { type: 'string' } }]))
}

function responsesOf({ answers, otherAnswers, isLong, access, showsRecord }: DocumentedRoute) {
  const told = Object.entries(answers).map(([status, answer]) => {
    const etag = showsRecord && isSchema(answer) ? { headers: { ETag: ETAG } } : {}
    const content = { ...contentOf(answer), ...(status === '200' ? textOf(otherAnswers) : {}) }
    return [status, { description: descriptionOf(Number(status), answer), content, ...etag }]
  })
  return {
    ...Object.fromEntries(told),
    ...(isLong ? { 202: UNDER_WAY } : {}),
    ...(access === 'open' ? {} : { 401: A_PROBLEM, 403: A_PROBLEM }),
    default: A_PROBLEM,
  }
}

const ETAG = { description: "The record's revision.", schema: { type: 'string' } }

const UNDER_WAY = {
  description: 'It goes on; ask for the operation.',
  headers: { Location: { description: 'Of the operation.', schema: { type: 'string' } } },
  content: {
    'application/json': {
      schema: {
        type: 'object',
        properties: { operation: answerSchemaOf(Operation) },
        required: ['operation'],
        additionalProperties: false,
      } satisfies JsonSchema,
    },
  },
}

function descriptionOf(status: number, answer: Answer): string {
  if (!isSchema(answer)) return answer.what
  return status === 201 ? 'Made.' : 'Done.'
}

function contentOf(answer: Answer) {
  return isSchema(answer)
    ? { 'application/json': { schema: answerSchemaOf(answer) } }
    : textOf([answer.mediaType])
}
