import { Census, type SlotState } from './census.ts'
import { IdleRanking } from './idle-ranking.ts'

/** What a pool as a whole counts as: with connections that serve or will, with none but closing ones, or neither. */
export type Standing = 'empty' | 'open' | 'leaving'

/** What the pools under one shared limit have out together: those of one server, or all of the process. */
export class SharedScope {
  readonly census = new Census()
  /** Pools with a connection that is open, opening or closing; and those of them that have closing ones alone. */
  openPools = 0
  leavingPools = 0
  /** Sum of the weights of its pools, of which each tenant's share follows. */
  weight = 0
  /** How often somebody who waits for room here was passed by someone who came later. Only rises. */
  passes = 0

  moved(from: SlotState | undefined, to: SlotState | undefined, before: Standing, after: Standing): void {
    this.census.move(from, to)
    if (before === after) return
    this.#countPool(before, -1)
    this.#countPool(after, 1)
  }

  #countPool(standing: Standing, by: 1 | -1): void {
    if (standing !== 'empty') this.openPools += by
    if (standing === 'leaving') this.leavingPools += by
  }
}

/** One server's. It exists while a pool of that server does. */
export class ServerScope extends SharedScope {
  readonly id: string
  readonly idle = new IdleRanking()
  /** Pools of this server that exist. */
  pools = 0

  constructor(id: string) {
    super()
    this.id = id
  }
}
