import { z } from 'zod'
import { TenantIdSchema } from '../../tenant/tenant-record.ts'
import { COMPONENTS } from './answers.ts'

export type JsonSchema = z.core.JSONSchema.BaseSchema

const NAMES: ReadonlyMap<unknown, string> = new Map(
  Object.entries(COMPONENTS).map(([name, schema]) => [schema, name]),
)

/** As JSON Schema 2020-12, which OpenAPI 3.1 takes; a component inside it is referred to. */
export function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: ({ zodSchema }) => (zodSchema === TenantIdSchema ? TENANT_ID : 'any'),
    override: ({ zodSchema, jsonSchema, path }) => {
      const name = NAMES.get(zodSchema)
      if (name === undefined || path.length === 0) return
      for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key)
      jsonSchema.$ref = refTo(name)
    },
  })
  return json
}

/** A schema that is a component as it stands is referred to as well. */
export function answerSchemaOf(schema: z.ZodType): JsonSchema {
  const name = NAMES.get(schema)
  return name === undefined ? jsonSchemaOf(schema, 'output') : { $ref: refTo(name) }
}

export function componentSchemas(): Record<string, JsonSchema> {
  const entries = Object.entries(COMPONENTS).map(([name, schema]) => [name, jsonSchemaOf(schema, 'output')])
  return Object.fromEntries(entries)
}

export function refTo(component: string): string {
  return `#/components/schemas/${component}`
}

const TENANT_ID = { type: 'string', pattern: '^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$' } as const
