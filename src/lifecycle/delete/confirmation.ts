import { InvalidRequestError } from '../../errors.ts'

/** @throws {InvalidRequestError} where the name was not typed, or another one. */
export function refuseUnconfirmed(id: string, confirm: string | undefined): void {
  if (confirm === id) return
  const asked = `confirm must be ${JSON.stringify(id.slice(0, 60))}, the name of the tenant (--yes ID)`
  throw new InvalidRequestError(
    confirm === undefined ? `Nothing was confirmed: ${asked}.` : `Not confirmed: ${asked}.`,
  )
}
