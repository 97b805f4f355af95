import type { Log } from './log.ts'

/** Logs what a service does for its tenants without being asked: each part is for one of those that do it. */
export function logUpkeep(log: Log) {
  return {
    spares: {
      refilled: (server: string, err: unknown) =>
        log[err === undefined ? 'info' : 'error']({ server, err }, 'spares refilled'),
      lookFailed: (err: unknown) => log.warn({ err }, 'spares could not be looked at'),
    },
    logins: {
      reset: (tenant: string, err: unknown) => {
        if (err === undefined) log.warn({ tenant }, 'password of a login set again')
        else log.error({ tenant, err }, 'password of a login could not be set again')
      },
    },
    recovery: {
      recovered: (operation: string, kind: string, err: unknown) => {
        if (err === undefined) log.info({ operation, kind }, 'operation gone on with')
        else log.error({ operation, kind, err }, 'operation could not be gone on with')
      },
      lookFailed: (err: unknown) => log.warn({ err }, 'operations could not be looked at'),
    },
  }
}
