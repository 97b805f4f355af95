import { SealingFailedError } from '../../../errors.ts'
import { adminPasswordBinding, clientKeyBinding, tenantPasswordBinding } from '../../../registry/route.ts'
import type { SealBinding, Sealer } from '../../../registry/sealing.ts'
import { Secret } from '../../../secret.ts'
import type { Sealed } from '../../../tenant/sealed.ts'
import type { Found } from '../finding.ts'
import { type Fleet, type FleetCheck, tenantsOf } from '../fleet.ts'

/** Under which master keys the secrets on record are sealed, and whether this process opens them. */
export const masterKeys: FleetCheck = {
  name: 'master-keys',
  run: ({ registry, sealer, adminSealer }, fleet): Found[] => [
    ...ofKey('TENANTRY_MASTER_KEY', sealer, registry.id, masterSealed(fleet, registry.id)),
    ...ofKey('TENANTRY_ADMIN_KEY', adminSealer, registry.id, adminSealed(fleet, registry.id)),
  ],
}

interface Kept {
  readonly sealed: Sealed
  readonly binding: SealBinding
}

function* masterSealed(fleet: Fleet, registryId: string): Iterable<Kept> {
  for (const { record } of tenantsOf(fleet)) {
    const { password } = record.route
    if (password) yield { sealed: password, binding: tenantPasswordBinding(registryId, record) }
  }
  for (const { id, record } of fleet.wanted) {
    const { clientCert } = record.tls
    if (clientCert) yield { sealed: clientCert.key, binding: clientKeyBinding(registryId, id) }
  }
}

function* adminSealed(fleet: Fleet, registryId: string): Iterable<Kept> {
  for (const { id, record } of fleet.wanted) {
    const password = record.admin?.password
    if (password) yield { sealed: password, binding: adminPasswordBinding(registryId, id) }
  }
}

function ofKey(name: string, sealer: Sealer | undefined, registryId: string, kept: Iterable<Kept>): Found[] {
  const byKey = new Map<string, { readonly first: Kept; readonly count: number }>()
  for (const one of kept) {
    const before = byKey.get(one.sealed.kid)
    byKey.set(one.sealed.kid, { first: before?.first ?? one, count: (before?.count ?? 0) + 1 })
  }
  if (byKey.size === 0) return []
  const active = sealer && activeKey(sealer, registryId)
  if (sealer === undefined || active === undefined) return [absent(name)]
  return [...byKey].flatMap(([kid, { first, count }]): Found[] => {
    if (!opens(sealer, first)) return [shut(name, kid, count)]
    return kid === active ? [] : [older(name, kid, active, count)]
  })
}

/** Undefined where this process has no such key. */
function activeKey(sealer: Sealer, registry: string): string | undefined {
  try {
    return sealer.seal(new Secret('-'), { registry, subject: 'doctor', generation: 0, field: 'probe' }).kid
  } catch (error) {
    if (error instanceof SealingFailedError) return undefined
    throw error
  }
}

function opens(sealer: Sealer, { sealed, binding }: Kept): boolean {
  try {
    sealer.open(sealed, binding)
    return true
  } catch (error) {
    if (error instanceof SealingFailedError) return false
    throw error
  }
}

function absent(name: string): Found {
  return {
    severity: 'info',
    subject: name,
    what: 'This process does not have it.',
    consequence: 'What is sealed under it was not looked at, nor what only it lets in to.',
    fix: `Run it with ${name}, or with ${name}_FILE`,
  }
}

function shut(name: string, kid: string, count: number): Found {
  return {
    severity: 'error',
    subject: name,
    what: `${count} secrets are sealed under key ${kid}, which does not open them here.`,
    consequence: 'Whoever they belong to cannot be logged in to.',
    fix: `Add key ${kid} to ${name}, after the active one`,
  }
}

function older(name: string, kid: string, active: string, count: number): Found {
  return {
    severity: 'warning',
    subject: name,
    what: `${count} secrets are still sealed under key ${kid}; ${active} is in use.`,
    consequence: `Key ${kid} must be kept, and whoever has it opens them.`,
    fix: 'tenantry key rewrap',
  }
}
