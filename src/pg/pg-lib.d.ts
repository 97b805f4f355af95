/** Parts of `pg` that its types leave out; both paths are the same in all versions from 8.11. */
declare module 'pg/lib/utils.js' {
  const utils: {
    /** What pg sends for a value: text, the bytes of a buffer, or null. */
    readonly prepareValue: (value: unknown) => string | Buffer | null
  }
  export default utils
}

declare module 'pg/lib/result.js' {
  import type { FieldDef } from 'pg'

  /** A result while it comes, and as it is handed to the caller. */
  export default class Result {
    constructor(rowMode: string | undefined, types: { getTypeParser(oid: number, format?: string): unknown })
    readonly rows: unknown[]
    readonly fields: readonly FieldDef[]
    readonly command: string | null
    readonly rowCount: number | null
    addFields(fields: readonly FieldDef[]): void
    parseRow(values: readonly (string | null)[]): unknown
    addRow(row: unknown): void
    addCommandComplete(message: { readonly text: string }): void
  }
}

declare module 'pg/lib/type-overrides.js' {
  import TypeOverrides = require('pg/lib/type-overrides')
  export default TypeOverrides
}
