import { readArray } from '../connection/array-text.ts'
import { ARRAY_OF } from '../connection/builtin-arrays.ts'
import type { TypeProfile } from '../connection/connection.ts'

type Codec = (text: string) => string

const FINITE = /^-?\d/
const asIs: Codec = (text) => text
const asText: Codec = (text) => JSON.stringify(text)
const asBoolean: Codec = (text) => (text === 't' ? 'true' : 'false')
/** JSON has no NaN and no infinities: those stay text. */
const asFloat: Codec = (text) => (FINITE.test(text) ? text : JSON.stringify(text))

/**
 * Types that are more in JSON than a text, by OID. Postgres writes their digits and documents as JSON does, so
 * they pass through untouched: a `jsonb` number of forty digits keeps all of them.
 */
const SCALARS: ReadonlyMap<number, Codec> = new Map([
  [16, asBoolean], // bool
  [21, asIs], // int2
  [23, asIs], // int4
  [700, asFloat], // float4
  [701, asFloat], // float8
  [114, asIs], // json
  [3802, asIs], // jsonb
])
const BOX = 603

const fragments: Readonly<Record<number, Codec>> = Object.fromEntries([
  ...SCALARS,
  ...Object.entries(ARRAY_OF).map(([element, array]) => [array, arrayCodec(Number(element))] as const),
])

/**
 * Values as the answer's JSON has them: those of the types above, and built-in arrays, as JSON text; all
 * others as the exact text of Postgres. Parameters are Postgres text already. Its statements end in more blanks
 * than any profile of the sql facade, which counts its own up from one.
 */
export const ANSWER_PROFILE: TypeProfile = {
  parsers: fragments,
  serializers: {},
  arrayOf:
    (element = asText, delimiter) =>
    (text) =>
      new JsonText(nested(readArray(text, element, delimiter))),
  blanks: 100,
}

/** Whether values of the type are JSON text already. */
export function isFragment(type: number): boolean {
  return Object.hasOwn(fragments, type)
}

function arrayCodec(element: number): Codec {
  const codec = SCALARS.get(element) ?? asText
  const delimiter = element === BOX ? ';' : ','
  return (text) => nested(readArray(text, codec, delimiter))
}

/** A value that is JSON already, of a type whose number does not tell. */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Of an array whose elements are JSON text. */
function nested(values: readonly unknown[]): string {
  const elements = values.map((value) => {
    if (Array.isArray(value)) return nested(value)
    if (value instanceof JsonText) return value.text
    return typeof value === 'string' ? value : 'null'
  })
  return `[${elements.join(',')}]`
}
