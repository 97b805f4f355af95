import { expect, it } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { openLog } from '../../src/telemetry/log.ts'
import { auditFaults, ServiceAudit } from '../../src/telemetry/service-audit.ts'
import { startHttpWorld } from '../http/http-world.ts'
import { tenantKey } from '../registry/records.ts'

it('what cannot be written into the audit is counted and logged', async () => {
  await using http = await startHttpWorld([])
  const lines: string[] = []
  const log = openLog('error', { write: (line: string) => void lines.push(line) })
  const away = { commit: () => Promise.reject(new RegistryUnavailableError('away')) }
  const audit = new ServiceAudit(http.world.router, away, auditFaults(http.metrics, log))
  const { record } = tenantKey('aaaaaaaaaaaa', 'acme')
  expect(await http.metrics.text()).toMatch(/^tenantry_audit_failures_total 0$/m)
  audit.calls.refused(record, 'globex', 'tenant_mismatch')
  await audit.close()
  expect(await http.metrics.text()).toMatch(/^tenantry_audit_failures_total 1$/m)
  expect(lines).toEqual([expect.stringContaining('not in the audit')])
})
