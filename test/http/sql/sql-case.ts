import type { SqlEndpoint } from './sql-ground.ts'

/** One promise of the protocol, as something that can be tried against any endpoint. */
export interface SqlCase {
  readonly name: string
  /** Rejects where the endpoint does not keep it. */
  readonly run: (endpoint: SqlEndpoint) => Promise<void>
}
