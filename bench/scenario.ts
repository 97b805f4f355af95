import type { Address, Ground, GroundNeeds } from './ground/ground.ts'

/**
 * What one run measured, by name. `errors` and `wrong` (answers from another database) make a run void unless 0.
 * Milliseconds where the name ends in Ms, and for p50 and p99.
 */
export type Figures = Readonly<Record<string, number>> & { readonly errors: number; readonly wrong: number }

/** What is asked of one figure. */
export interface Goal {
  readonly figure: string
  /** Ours divided by the other side's, pair by pair; or the figure of one side alone. */
  readonly of: 'ratio' | 'own' | 'other'
  readonly bound: 'at least' | 'at most'
  readonly value: number
  /** For the table. */
  readonly label: string
}

/** One of the two that are compared. */
export interface Side {
  readonly name: string
  readonly description: string
  /** One run, from a fresh start. The same seed asks for the same tenants in the same order. */
  run(seed: number): Promise<Figures>
}

/** Where a scenario runs, and how long. */
export interface Stage {
  readonly ground: Ground
  /** Of Postgres, as contestants see it: through the delay where there is one. */
  readonly postgres: Address
  readonly latencyMs: number
  /** Processes between contestant and Postgres. */
  readonly delayPids: readonly number[]
  readonly seconds: number
  readonly warmupSeconds: number
  /** For files of this scenario alone. */
  readonly folder: string
  /** For the Node of our own contestant: empty, or what records a CPU profile. */
  readonly nodeFlags: readonly string[]
}

/** One question, put to the same ground by one side or two. */
export interface Scenario {
  /** As in `--scenario`. */
  readonly name: string
  readonly title: string
  readonly against: string
  readonly needs: GroundNeeds
  /** Ours runs in the process of the bench, not in one of its own. */
  readonly isInProcess?: true
  /** Added to each round trip to Postgres; each is a row of its own. */
  readonly latenciesMs: readonly number[]
  /** Runs of each side where that is not what `--pairs` says: figures that do not vary need fewer. */
  readonly pairs?: number
  readonly goals: readonly Goal[]
  /** Further figures worth a place in the report. */
  readonly shown: readonly string[]
  /** Ours, and the other side where there is one. */
  prepare(stage: Stage): Promise<readonly Side[]>
}
