/** Bytes after a column's name: table, column, type, size of the type, modifier, format. */
const COLUMN_BYTES = 18
const COLUMN_NUMBER_AT = 4
const SIZE_AT = 10
const MODIFIER_AT = 12

/** A column as the server describes it, signs included. */
export interface FieldStorage {
  /** Bytes of a value; -1 where they vary. */
  readonly typeSize: number
  /** As of `varchar(10)`; -1 for none. */
  readonly typeModifier: number
  /** Negative for a system column. */
  readonly columnNumber: number
}

/**
 * What the driver leaves out of a row's description.
 * @param body of a RowDescription message
 */
export function readStorage(body: Buffer): readonly FieldStorage[] {
  const columns: FieldStorage[] = []
  let at = 2
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const from = body.indexOf(0, at) + 1
    columns.push({
      columnNumber: body.readInt16BE(from + COLUMN_NUMBER_AT),
      typeSize: body.readInt16BE(from + SIZE_AT),
      typeModifier: body.readInt32BE(from + MODIFIER_AT),
    })
    at = from + COLUMN_BYTES
  }
  return columns
}
