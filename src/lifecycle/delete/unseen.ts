import { slotsOf } from '../tenant/login-slots.ts'
import type { Purging } from './purging.ts'
import type { PurgeLine } from './receipt.ts'

type OnServer = Extract<PurgeLine['what'], 'sessions' | 'database' | 'roles'>

/** A step that looks after what is on the tenant's server; where that is gone for good, the receipt says that nobody looked. */
export function onServer(what: OnServer, run: (purging: Purging) => Promise<void>) {
  return async (purging: Purging): Promise<void> => {
    const { silence, tenant } = purging
    if (silence === undefined) return run(purging)
    const { server, database } = tenant.route
    const things = {
      sessions: `Nobody has seen whether a session is in database ${database}`,
      database: `Nobody has seen database ${database} gone`,
      roles: `Nobody has seen roles ${slotsOf(tenant.route).join(', ')} and others of database ${database} gone`,
    }
    const detail = `${things[what]}: server ${server} did not answer at ${silence.at} (${silence.why}).`
    await purging.note({ what, outcome: 'unverified', count: 0, detail: detail.slice(0, 2_000) })
  }
}
