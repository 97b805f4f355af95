import { Ajv2020, type AnySchemaObject } from 'ajv/dist/2020.js'

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>
}

interface Documented {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

/** Holds answers against the OpenAPI document of their plane. */
export class AnswerSchemas {
  readonly #document: Document
  readonly #ajv: Ajv2020

  constructor(document: Document & AnySchemaObject) {
    this.#document = document
    this.#ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
    this.#ajv.addSchema({ ...document, $id: 'api' })
  }

  /** @returns what is wrong with the answer of a route; empty is good. */
  faultsOf(
    route: string,
    { status, type, body }: { readonly status: number; readonly type: string; readonly body: unknown },
  ): string[] {
    const [method = '', path = ''] = route.split(' ')
    const at = path.replaceAll(/:(\w+)/g, '{$1}')
    const documented = this.#document.paths[at]?.[method.toLowerCase()]
    const content = documented?.responses[status]?.content
    const [mediaType = ''] = type.split(';')
    if (content?.[mediaType] === undefined) return [`${route}: ${status} ${mediaType} is not documented`]
    if (mediaType !== 'application/json') return []
    const steps = [
      'paths',
      at,
      method.toLowerCase(),
      'responses',
      String(status),
      'content',
      mediaType,
      'schema',
    ]
    const pointer = steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')))
    const validate = this.#ajv.getSchema(`api#/${pointer.join('/')}`)
    if (validate === undefined) return [`${route}: no schema for ${status}`]
    if (validate(body)) return []
    return (validate.errors ?? []).map(({ instancePath, message }) => `${route}: ${instancePath} ${message}`)
  }
}
