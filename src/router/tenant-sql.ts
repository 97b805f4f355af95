import type { ISql, Sql } from '../connection/sql.ts'

declare const tenant: unique symbol

/**
 * A handle of postgres.js that says in its type whose it is: where two ids are known to the compiler, a handle of
 * the one is refused where that of the other is wanted. At run time it is the handle and nothing else.
 */
export type TenantSql<Id extends string = string, Handle extends ISql = Sql> = Handle & {
  readonly [tenant]: Id
}
