import * as changing from './changing.ts'
import * as reading from './reading.ts'
import * as streaming from './streaming.ts'
import type { Tally } from './tally.ts'
import type { Work } from './work.ts'

const WEIGHTED: readonly (readonly [number, string, Work])[] = [
  [45, 'query', reading.query],
  [8, 'handle', reading.handle],
  [6, 'inspect', reading.inspect],
  [1, 'inspectForeign', reading.inspectForeign],
  [2, 'foreign', reading.foreign],
  [5, 'failure', reading.failure],
  [3, 'raise', reading.raise],
  [3, 'cursor', reading.cursor],
  [2, 'cursorLeftEarly', reading.cursorLeftEarly],
  [1.5, 'stream', streaming.stream],
  [0.5, 'streamLeftEarly', streaming.streamLeftEarly],
  [1, 'streamLines', streaming.streamLines],
  [1, 'streamTable', streaming.streamTable],
  [2, 'copyOut', reading.copyOut],
  [4, 'abort', reading.abort],
  [1, 'cancel', reading.cancel],
  [0.5, 'leaveRunning', reading.leaveRunning],
  [6, 'commit', changing.commit],
  [3, 'rollback', changing.rollback],
  [2, 'leaveOpen', changing.leaveOpen],
  [1, 'copyIn', changing.copyIn],
  [1, 'messOfApplication', changing.messOfApplication],
  [0.5, 'messOfForeign', changing.messOfForeign],
  [1, 'setting', changing.setting],
  [0.3, 'expire', changing.expire],
  [2, 'nested', changing.nested],
  [0.5, 'evict', changing.evict],
  [1, 'onlyIfWarm', changing.onlyIfWarm],
]
const TOTAL = WEIGHTED.reduce((sum, [weight]) => sum + weight, 0)

export function anyWork(): readonly [string, Work] {
  let at = Math.random() * TOTAL
  for (const [weight, name, work] of WEIGHTED) {
    at -= weight
    if (at < 0) return [name, work]
  }
  return ['query', reading.query]
}

/** The kinds of work of which less than half of their share came to its end undisturbed. */
export function tooRare({ operations, byKind }: Tally): string[] {
  const isRare = (weight: number, name: string) =>
    (byKind.get(name) ?? 0) < ((weight / TOTAL) * operations) / 2
  return WEIGHTED.filter(([weight, name]) => isRare(weight, name)).map(([, name]) => name)
}
