import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Budget, type Permit } from '../../src/router/pool/budget.ts'

const LIMITS = { process: 5, server: 3, tenant: 2 }
const take = (budget: Budget, server: string, tenant: string) =>
  budget.take(server, LIMITS.server, tenant, LIMITS.tenant)

describe('budget', () => {
  it('names the narrowest scope that is full', () => {
    const budget = new Budget(LIMITS.process)
    take(budget, 'a', 'acme')
    take(budget, 'a', 'acme')
    expect(take(budget, 'a', 'acme')).toBe('tenant')
    take(budget, 'a', 'globex')
    expect(take(budget, 'a', 'initech')).toBe('server')
    take(budget, 'b', 'hooli')
    take(budget, 'b', 'hooli')
    expect(take(budget, 'c', 'umbrella')).toBe('process')
  })

  it('counts a permit once, however often it is given back', () => {
    const budget = new Budget(LIMITS.process)
    const permit = take(budget, 'a', 'acme') as Permit
    permit.release()
    permit.release()
    expect(budget.out('process')).toBe(0)
    expect(budget.out('server', 'a')).toBe(0)
  })

  it('never has more permits out than a limit allows, and its counts are those of the permits', () => {
    const servers = ['a', 'b', 'c'] as const
    const tenants = ['acme', 'globex', 'initech'] as const
    const step = fc.oneof(
      fc.record({ take: fc.constantFrom(...servers), tenant: fc.constantFrom(...tenants) }),
      fc.record({ release: fc.nat(20) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const budget = new Budget(LIMITS.process)
        const out: { server: string; tenant: string; permit: Permit }[] = []
        for (const s of steps) {
          if ('take' in s) {
            const permit = take(budget, s.take, s.tenant)
            if (typeof permit !== 'string') out.push({ server: s.take, tenant: s.tenant, permit })
          } else out.splice(s.release % (out.length || 1), 1)[0]?.permit.release()
          expect(budget.out('process')).toBe(out.length)
          expect(out.length).toBeLessThanOrEqual(LIMITS.process)
          for (const server of servers) {
            const count = out.filter((o) => o.server === server).length
            expect(budget.out('server', server)).toBe(count)
            expect(count).toBeLessThanOrEqual(LIMITS.server)
          }
          for (const tenant of tenants) {
            const count = out.filter((o) => o.tenant === tenant).length
            expect(budget.out('tenant', tenant)).toBe(count)
            expect(count).toBeLessThanOrEqual(LIMITS.tenant)
          }
        }
      }),
    )
  })
})
