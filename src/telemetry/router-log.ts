import type { TenantRouter } from '../router/tenant-router.ts'
import type { Log } from './log.ts'

/** Logs what happens to pools: at error what needs an operator, at debug what is the ordinary course. */
export function logRouter(router: Pick<TenantRouter, 'on'>, log: Log): Disposable {
  const subscriptions = [
    router.on('fenced', ({ error, ...fields }) => log.error({ ...fields, err: error }, 'tenant fenced')),
    router.on('openFailed', ({ error, ...fields }) =>
      log.warn({ ...fields, err: error }, 'connection not opened'),
    ),
    router.on('breakerOpened', ({ error, ...fields }) =>
      log.error({ ...fields, err: error }, 'breaker opened'),
    ),
    router.on('breakerClosed', (fields) => log.info(fields, 'breaker closed')),
    router.on('evicted', (fields) => log.debug(fields, 'pool evicted')),
    router.on('opened', (fields) => log.debug(fields, 'connection opened')),
    router.on('closed', (fields) => log.debug(fields, 'connection closed')),
  ]
  return {
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription[Symbol.dispose]()
    },
  }
}
