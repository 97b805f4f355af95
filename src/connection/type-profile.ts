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
    arrayOf: jsArray,
    parsers: { ...arrayParsers(elements.parsers, BUILT_IN), ...elements.parsers },
    serializers: { ...arraySerializers(elements.serializers, BUILT_IN), ...elements.serializers },
    blanks: elements.blanks,
  }
}

/** The driver's own profile with some types replaced, and with them the arrays of those types. */
export function driverProfileWith(own: Omit<TypeProfile, 'arrayOf'>): TypeProfile {
  const parsers = { ...arrayParsers(own.parsers, Object.keys(own.parsers)), ...own.parsers }
  const serializers = {
    ...arraySerializers(own.serializers, Object.keys(own.serializers)),
    ...own.serializers,
  }
  // On top of the others, not beside copies of them: handles are made often.
  return {
    parsers: Object.assign(Object.create(driverProfile.parsers), parsers),
    serializers: Object.assign(Object.create(driverProfile.serializers), serializers),
    arrayOf: jsArray,
    blanks: own.blanks,
  }
}

const jsArray =
  (element: ((text: string) => unknown) | undefined, delimiter: string) =>
  (text: string): unknown[] =>
    readArray(text, element, delimiter)

const BUILT_IN = Object.keys(ARRAY_OF)

/** @param oids of the elements; those without an array type are passed over. */
function arrayParsers(elements: Parsers, oids: readonly string[]): Parsers {
  return Object.fromEntries(
    oids.flatMap((oid) => {
      const arrayOid = ARRAY_OF[Number(oid)]
      if (arrayOid === undefined) return []
      const element = elements[Number(oid)]
      const delimiter = arrayDelimiter(arrayOid)
      return [[arrayOid, (text: string) => readArray(text, element, delimiter)]]
    }),
  )
}

/** A value that is no array goes as it is: it may be an array literal already. */
function arraySerializers(elements: Serializers, oids: readonly string[]): Serializers {
  return Object.fromEntries(
    oids.flatMap((oid) => {
      const arrayOid = ARRAY_OF[Number(oid)]
      if (arrayOid === undefined) return []
      // Parse boundary: a serializer takes what its type allows, which only the caller's value shows.
      const write = (elements[Number(oid)] ?? String) as (value: unknown) => unknown
      const element = (value: unknown) => write(value instanceof Parameter ? value.value : value)
      const delimiter = arrayDelimiter(arrayOid)
      const array = (value: unknown) =>
        Array.isArray(value) ? writeArray(value, element, delimiter) : String(value)
      return [[arrayOid, array]]
    }),
  )
}

/** postgres.js's own types, with the built-in arrays. */
export const driverProfile: TypeProfile = typeProfile({
  parsers: stockParsers,
  serializers: stockSerializers,
  blanks: 0,
})
