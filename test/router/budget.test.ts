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
    permit.socketClosed()
    permit.socketClosed()
    expect([budget.out('process'), budget.out('server', 'a'), budget.out('tenant', 'acme')]).toEqual([
      0, 1, 0,
    ])
    permit.release()
    permit.release()
    permit.socketClosed()
    expect([budget.out('process'), budget.out('server', 'a'), budget.out('tenant', 'acme')]).toEqual([
      0, 0, 0,
    ])
  })

  it('counts what a server keeps of a tenant against it there alone: one that was moved is served', () => {
    const budget = new Budget(LIMITS.process)
    for (let i = 0; i < LIMITS.tenant; i++) (take(budget, 'a', 'acme') as Permit).socketClosed()
    expect(take(budget, 'a', 'acme')).toBe('tenant')
    for (let i = 0; i < LIMITS.tenant; i++) take(budget, 'b', 'acme')
    expect(take(budget, 'b', 'acme')).toBe('tenant')
    expect(take(budget, 'c', 'acme')).toBe('tenant')
  })

  it('gives one server no more places than the process has, those without a socket included', () => {
    const budget = new Budget(2)
    const takeWide = (server: string, tenant: string) => budget.take(server, 10, tenant, 10) as Permit
    takeWide('a', 'acme').socketClosed()
    takeWide('a', 'globex').socketClosed()
    expect(budget.take('a', 10, 'initech', 10)).toBe('server')
    takeWide('b', 'hooli')
    takeWide('b', 'hooli')
    expect(budget.take('b', 10, 'hooli', 10)).toBe('process')
  })

  it('never has more permits out than a limit allows, and its counts are those of the permits', () => {
    const servers = ['a', 'b', 'c'] as const
    const tenants = ['acme', 'globex', 'initech'] as const
    const step = fc.oneof(
      fc.record({ take: fc.constantFrom(...servers), tenant: fc.constantFrom(...tenants) }),
      fc.record({ release: fc.nat(20) }),
      fc.record({ close: fc.nat(20) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const budget = new Budget(LIMITS.process)
        const out: { server: string; tenant: string; permit: Permit; hasSocket: boolean }[] = []
        for (const s of steps) {
          if ('take' in s) {
            const permit = take(budget, s.take, s.tenant)
            if (typeof permit !== 'string')
              out.push({ server: s.take, tenant: s.tenant, permit, hasSocket: true })
          } else if ('close' in s) {
            const closed = out[s.close % (out.length || 1)]
            closed?.permit.socketClosed()
            if (closed) closed.hasSocket = false
          } else out.splice(s.release % (out.length || 1), 1)[0]?.permit.release()
          const sockets = out.filter(({ hasSocket }) => hasSocket).length
          expect(budget.out('process')).toBe(sockets)
          expect(sockets).toBeLessThanOrEqual(LIMITS.process)
          for (const server of servers) {
            const count = out.filter((o) => o.server === server).length
            expect(budget.out('server', server)).toBe(count)
            expect(count).toBeLessThanOrEqual(LIMITS.server)
          }
          for (const tenant of tenants) {
            const own = out.filter((o) => o.tenant === tenant)
            const count = own.filter(({ hasSocket }) => hasSocket).length
            expect(budget.out('tenant', tenant)).toBe(count)
            expect(count).toBeLessThanOrEqual(LIMITS.tenant)
            for (const server of servers)
              expect(own.filter((o) => o.server === server).length).toBeLessThanOrEqual(LIMITS.tenant)
          }
        }
      }),
    )
  })
})
