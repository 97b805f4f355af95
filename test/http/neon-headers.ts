import { parseApiKey } from '../../src/registry/api-key.ts'
import { BASE_DOMAIN } from './http-world.ts'

/** What makes a request to /sql one of the tenant, as its clients send it. */
export function neonHeaders(key: string, tenant: string): Record<string, string> {
  const parsed = parseApiKey(key)
  if (!parsed) throw new Error('not an API key')
  const credential = `tk_${parsed.id}:${parsed.secret.reveal()}`
  return { 'neon-connection-string': `postgresql://${credential}@${tenant}.${BASE_DOMAIN}/any` }
}
