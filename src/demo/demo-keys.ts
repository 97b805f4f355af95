import { type CreateKey, createKey } from '../lifecycle/key/create-key.ts'
import { listKeys } from '../lifecycle/key/key-view.ts'
import { revokeKey } from '../lifecycle/key/revoke-key.ts'
import type { LifecycleParts } from '../lifecycle/parts.ts'
import { hashOfKeySecret, parseApiKey } from '../registry/api-key.ts'
import type { Card } from './demo-files.ts'
import { DEMO_TENANTS } from './demo-tenants.ts'

const NAME = 'demo'

export type DemoKeys = Pick<Card, 'operatorKey' | 'serviceKey' | 'tenants'>

/** The keys of the last run where all of them are known and still valid, else new ones; older ones are revoked. */
export async function demoKeys(
  parts: LifecycleParts,
  card: DemoKeys | undefined,
  actor: string,
): Promise<DemoKeys> {
  if (card !== undefined && (await areValid(parts, card))) return card
  await revokeOlder(parts, actor)
  const make = async (scope: CreateKey['scope']) =>
    (await createKey(parts, { scope, name: NAME }, actor)).secret.reveal()
  const tenants: Record<string, { key: string }> = {}
  for (const tenant of DEMO_TENANTS) tenants[tenant] = { key: await make({ kind: 'tenant', tenant }) }
  return {
    operatorKey: await make({ kind: 'operator', role: 'admin' }),
    serviceKey: await make({ kind: 'service' }),
    tenants,
  }
}

async function areValid({ registry }: LifecycleParts, card: DemoKeys): Promise<boolean> {
  if (!DEMO_TENANTS.every((tenant) => card.tenants[tenant])) return false
  const texts = [card.operatorKey, card.serviceKey, ...Object.values(card.tenants).map(({ key }) => key)]
  for (const text of texts) {
    const key = parseApiKey(text)
    const entry = key && (await registry.find('key', key.id))
    if (!entry || entry.record.revokedAt !== null) return false
    if (entry.record.secretHash !== hashOfKeySecret(key.secret)) return false
  }
  return true
}

async function revokeOlder(parts: LifecycleParts, actor: string): Promise<void> {
  const { keys } = await listKeys(parts.registry, { limit: 1000 })
  for (const { id, name, revokedAt } of keys) {
    if (name === NAME && revokedAt === null) await revokeKey(parts, id, actor)
  }
}
