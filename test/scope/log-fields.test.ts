import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { tenantLogFields } from '../../src/scope/log-fields.ts'
import { runAsTenant } from '../../src/tenant/tenant-context.ts'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'

describe('the fields of a log line', () => {
  it('name the tenant whose work wrote it, in any depth, and nobody outside of a tenant’s work', async () => {
    const lines: Record<string, unknown>[] = []
    const write = (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) // written by pino
    const log = pino({ base: null, mixin: tenantLogFields }, { write })
    const requests = ['acme', 'globex', 'initech'].map((tenant, at) =>
      runAsTenant(parseTenantId(tenant), async () => {
        log.info({ at }, 'begins')
        await delay(3 - at)
        log.child({ module: 'reports' }).warn({ at }, 'ends')
      }),
    )
    log.info('outside')
    await Promise.all(requests)
    expect(lines.map(({ tenant, at }) => `${String(tenant)} ${String(at)}`).toSorted()).toEqual([
      'acme 0',
      'acme 0',
      'globex 1',
      'globex 1',
      'initech 2',
      'initech 2',
      'undefined undefined',
    ])
    expect(lines.filter(({ msg }) => msg === 'outside')).toEqual([
      expect.not.objectContaining({ tenant: expect.anything() }),
    ])
  })
})
