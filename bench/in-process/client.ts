/** What is compared without HTTP: a client in the process that asks. Tenants are numbers, from 0. */
export interface InProcessClient {
  /** The rows of the probe statement. */
  rows(tenant: number, count: number): Promise<readonly unknown[]>
  sleep(tenant: number, seconds: number): Promise<unknown>
  /** Resolves when nothing of the tenant is open. */
  cool(tenant: number): Promise<void>
  /** Open now, to all tenants. */
  connections(): number
  end(): Promise<void>
}
