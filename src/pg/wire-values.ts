import utils from 'pg/lib/utils.js'
import type { TypeProfile } from '../connection/connection.ts'

/** Types whose value in the binary form is its text, or nearly so. */
const TEXTS: readonly number[] = [18, 19, 25, 114, 142, 1042, 1043, 705]
const UUID = 2950

/** Bytes of a parameter. pg sends them in the binary form of whatever type the server expects; here that type decides. */
class Bytes {
  readonly buffer: Buffer

  constructor(buffer: Buffer) {
    this.buffer = buffer
  }

  toString(): string {
    return `\\x${this.buffer.toString('hex')}`
  }
}

const asText = (text: string) => text
const whole = (value: unknown) => (value instanceof Bytes ? value.buffer.toString('utf8') : String(value))
const digits = (value: unknown) => (value instanceof Bytes ? value.buffer.toString('hex') : String(value))

/** Values go and come as Postgres writes them; `pg` has its own view of what they mean. */
export const WIRE_PROFILE: TypeProfile = {
  parsers: new Proxy({}, { get: () => asText }),
  serializers: { ...Object.fromEntries(TEXTS.map((type) => [type, whole])), [UUID]: digits },
  blanks: 101,
}

export interface WireValues {
  readonly params: readonly unknown[]
  /** No type has to be known to send them. */
  readonly areTexts: boolean
}

/** @throws what pg throws for a value that refers to itself. */
export function wireValues(values: readonly unknown[]): WireValues {
  let areTexts = true
  const params = values.map((value) => {
    const prepared = utils.prepareValue(value)
    if (!Buffer.isBuffer(prepared)) return prepared
    areTexts = false
    return new Bytes(prepared)
  })
  return { params, areTexts }
}
