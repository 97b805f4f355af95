import { readArray, writeArray } from './array-text.ts'
import { ARRAY_OF, arrayDelimiter } from './builtin-arrays.ts'
import type { TypeProfile } from './connection.ts'
import { Parameter, stockParsers, stockSerializers } from './driver.ts'

type Parsers = TypeProfile['parsers']
type Serializers = TypeProfile['serializers']

/**
 * A profile from parsers and serializers of single values: those of the built-in arrays are made from them,
 * and an array type without an element parser becomes an array of texts.
 * @param blanks must differ between profiles whose parsers differ, and be equal where they do not: named
 * statements keep the parsers they were first described with. 0 is the driver's own profile.
 */
export function typeProfile(elements: {
  readonly parsers: Parsers
  readonly serializers: Serializers
  readonly blanks: number
}): TypeProfile {
  return {
    parsers: { ...arrayParsers(elements.parsers), ...elements.parsers },
    serializers: { ...arraySerializers(elements.serializers), ...elements.serializers },
    blanks: elements.blanks,
  }
}

function arrayParsers(elements: Parsers): Parsers {
  return Object.fromEntries(
    Object.entries(ARRAY_OF).map(([elementOid, arrayOid]) => {
      const element = elements[Number(elementOid)]
      const delimiter = arrayDelimiter(arrayOid)
      return [arrayOid, (text: string) => readArray(text, element, delimiter)]
    }),
  )
}

/** A value that is no array goes as it is: it may be an array literal already. */
function arraySerializers(elements: Serializers): Serializers {
  return Object.fromEntries(
    Object.entries(ARRAY_OF).map(([elementOid, arrayOid]) => {
      // Parse boundary: a serializer takes what its type allows, which only the caller's value shows.
      const write = (elements[Number(elementOid)] ?? String) as (value: unknown) => unknown
      const element = (value: unknown) => write(value instanceof Parameter ? value.value : value)
      const delimiter = arrayDelimiter(arrayOid)
      return [
        arrayOid,
        (value: unknown) => (Array.isArray(value) ? writeArray(value, element, delimiter) : String(value)),
      ]
    }),
  )
}

/** postgres.js's own types, with the built-in arrays. */
export const driverProfile: TypeProfile = typeProfile({
  parsers: stockParsers,
  serializers: stockSerializers,
  blanks: 0,
})
