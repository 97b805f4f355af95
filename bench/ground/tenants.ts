import type { Address, Ground } from './ground.ts'
import type { LoginKind, Place } from './places.ts'

export interface BenchTenant {
  readonly id: string
  readonly place: Place
}

/** t00001 and so on. Where there are more than databases, several live in one. */
export function tenantsOn(ground: Ground, count: number): BenchTenant[] {
  const { places } = ground
  return Array.from({ length: count }, (_, index) => {
    const place = places[index % places.length]
    if (!place) throw new Error('the ground has no databases')
    return { id: `t${String(index + 1).padStart(5, '0')}`, place }
  })
}

export function dsnOf({ place }: BenchTenant, kind: LoginKind, { host, port }: Address): string {
  const { role, password } = place.logins[kind]
  return `postgres://${role}:${password}@${host}:${port}/${place.database}`
}
