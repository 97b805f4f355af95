import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Caller } from '../resolve/caller.ts'
import type { OperatorRole } from './admin/access.ts'

/** What requests of both planes carry. */
export interface RequestEnv {
  /** Node's own objects; absent when an app is called without a server. */
  Bindings: Partial<HttpBindings>
  Variables: {
    requestId: string
    /** Aborts, with an error of ours as its reason, when nobody waits for the answer any more. */
    signal: AbortSignal
    /** The client's address, as far as it is known: on the tenant plane, once it was looked at who asks. */
    client?: string | undefined
  }
}

export interface TenantEnv {
  Bindings: RequestEnv['Bindings']
  Variables: RequestEnv['Variables'] & { caller: Caller }
}

export interface OperatorEnv {
  Bindings: RequestEnv['Bindings']
  Variables: RequestEnv['Variables'] & {
    /** Who the audit says did it; set on every route that needs a key. */
    actor: string
    /** Of that key. */
    role: OperatorRole
  }
}

/** Node's own response; undefined when an app is called without a server: then there are no bindings at all. */
export function outgoingOf(c: Pick<Context, 'env'>): HttpBindings['outgoing'] | undefined {
  const bindings = c.env as RequestEnv['Bindings'] | undefined // whatever Hono's type says
  return bindings?.outgoing
}
