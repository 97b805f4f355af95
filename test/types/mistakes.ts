/**
 * Mistakes that must not compile: each stands under a line that tells the compiler to expect it, which fails the type
 * check where it finds none. Nothing here runs.
 */

import { Hono } from 'hono'
import type { AppRouter, Lease, SelectedTenant, Sql, TenantId, TenantSql } from 'tenantry'
import { parseTenantId, runAsTenant } from 'tenantry'
import { apiKey, header, host, jwt, path, type TenancyEnv, tenancy } from 'tenantry/hono'

declare const router: AppRouter
declare const lease: Lease
declare const tenant: SelectedTenant
declare function archive(sql: TenantSql<'acme'>): Promise<void>
declare function reportOf(id: TenantId): string

/** A text is no tenant's id until somebody has looked at it. */
export function textsAsIds(text: string): void {
  // @ts-expect-error -- a text
  void runAsTenant('acme', () => {})
  // @ts-expect-error -- a text, as a request has it
  void runAsTenant(text, () => {})
  // @ts-expect-error -- a text
  reportOf('acme')
  // @ts-expect-error -- the brand is nobody's to make
  const forged: TenantId = `${text}-1`
  // @ts-expect-error -- nor is it kept by what changes the text
  const changed: TenantId = parseTenantId(text).toUpperCase()
  reportOf(parseTenantId(text))
  reportOf(tenant.id)
  runAsTenant(parseTenantId(text), () => [forged, changed])
}

/** Where ids are known to the compiler, so is whose a handle is. */
export async function handlesOfOthers(plain: Sql): Promise<void> {
  // @ts-expect-error -- of another tenant
  await archive(router.sql('globex'))
  // @ts-expect-error -- of whoever is ambient
  await archive(router.sql())
  // @ts-expect-error -- of nobody that it says
  await archive(plain)
  // @ts-expect-error -- of another tenant
  await router.withTenant('globex', (sql) => archive(sql))
  // @ts-expect-error -- of its own tenant, but of a lease: begin a transaction, or use withTenant
  await archive(lease.sql)
  // @ts-expect-error -- a transaction is no handle to begin others with
  await router.transaction('acme', {}, (sql) => archive(sql))
  await archive(router.sql('acme'))
  await router.withTenant('acme', (sql) => archive(sql))
}

/** What can be forged needs a proof beside it. */
export function unproved(): void {
  // @ts-expect-error -- a header can say anything
  tenancy({ router, resolve: [header()] })
  // @ts-expect-error -- so can a host and a path
  tenancy({ router, resolve: [host('example.com'), path('/t/:tenant')] })
  // @ts-expect-error -- nothing proves anything
  tenancy({ router, resolve: [] })
  // @ts-expect-error -- a host without the domains that it may be under
  host()
  // @ts-expect-error -- a token without the keys, algorithms and issuer it is checked by
  jwt({})
  tenancy({ router, resolve: [apiKey(), host('example.com')] })
  tenancy({ router, resolve: [host('example.com')], authorize: (_, id) => id === tenant.id })
}

/** What is misspelt, or not there. */
export function options(): void {
  // @ts-expect-error -- no such class
  void router.lease('acme', { class: 'urgent' })
  // @ts-expect-error -- no such isolation
  void router.transaction('acme', { isolation: 'snapshot' }, (sql) => sql`select 1`)
  // @ts-expect-error -- how often is a number
  void router.transaction('acme', { retry: true }, (sql) => sql`select 1`)
  // @ts-expect-error -- the unit is in the name
  void router.lease('acme', { acquireTimeout: 1 })
  // @ts-expect-error -- no such condition
  void router.forEachTenant({ plan: 'pro' }, () => {})
  // @ts-expect-error -- no such event
  router.on('open', () => {})
  // @ts-expect-error -- what a selector gives has no secrets
  void tenant.route
  // @ts-expect-error -- a lease is released, not closed
  lease.close()
  new Hono<TenancyEnv>().get('/', (c) => {
    // @ts-expect-error -- no such variable
    void c.var.tenantId
    return c.json({ tenant: reportOf(c.var.tenant) })
  })
}
