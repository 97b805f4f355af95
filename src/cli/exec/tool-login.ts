import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import type { EnvironmentVariables } from '../../config.ts'
import type { ConnectionTarget } from '../../connection/connection.ts'
import { PreconditionFailedError } from '../../errors.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { openMigrationLogin } from '../../lifecycle/provision/migration-login.ts'
import { findServer } from '../../lifecycle/server/server-view.ts'
import { targetOf } from '../../registry/route.ts'
import type { Secret } from '../../secret.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'

/** How a program logs in to one tenant's database, until it is disposed of. */
export interface ToolLogin extends AsyncDisposable {
  /** DATABASE_URL, what libpq reads (PGHOST and so on), and TENANT_ID. */
  readonly variables: Readonly<Record<string, string>>
  /** What must not be shown when the program says it. */
  readonly secrets: readonly string[]
}

/**
 * Makes the logins that programs are given. Certificates and keys are files in a folder that only this user may enter,
 * which is gone when this is disposed of.
 */
export class ToolLogins implements Disposable {
  readonly #parts: LifecycleParts
  #folder: string | undefined
  /** Content → its file. */
  readonly #files = new Map<string, string>()

  constructor(parts: LifecycleParts) {
    this.#parts = parts
  }

  /**
   * As the role that serves the tenant's requests.
   * @throws {PreconditionFailedError | UnsupportedError | SealingFailedError | ServerUnknownError}
   */
  async of(tenant: TenantRecord): Promise<ToolLogin> {
    const { registry, sealer } = this.#parts
    refuseUnready(tenant)
    const server = await findServer(registry, tenant.route.server)
    const target = targetOf(tenant, server, sealer, registry.id)
    return { ...this.#told(tenant, target), [Symbol.asyncDispose]: async () => {} }
  }

  /**
   * As the role that makes tables, where the tenant has one and this process may unlock it; else as `of`.
   * @param validMs after which that login ends by itself.
   * @throws as `of`, {ServerUnavailableError | LoginFailedError}
   */
  async forMigrations(tenant: TenantRecord, validMs: number, actor: string): Promise<ToolLogin> {
    refuseUnready(tenant)
    if (tenant.origin !== 'provisioned' || this.#parts.adminSealer === undefined) return this.of(tenant)
    const login = await openMigrationLogin(this.#parts, tenant, validMs, actor)
    try {
      return {
        ...this.#told(tenant, login.target),
        [Symbol.asyncDispose]: () => login[Symbol.asyncDispose](),
      }
    } catch (error) {
      await login[Symbol.asyncDispose]()
      throw error
    }
  }

  #told({ id, route }: TenantRecord, target: ConnectionTarget): Pick<ToolLogin, 'variables' | 'secrets'> {
    refuseOtherName(target, route.server)
    const tls = this.#tlsOf(target)
    const url = urlOf(target, tls)
    const password = target.password?.reveal()
    return {
      variables: { TENANT_ID: id, DATABASE_URL: url, ...libpqOf(target, tls) },
      secrets: password === undefined ? [] : [url, password, encodeURIComponent(password)],
    }
  }

  [Symbol.dispose](): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }

  /** As parameters of a connection string. */
  #tlsOf({ tls }: ConnectionTarget): Readonly<Record<string, string>> {
    const { mode, ca, clientCert } = tls
    const isVerified = mode === 'verify-ca' || mode === 'verify-full'
    return {
      sslmode: mode,
      // Without one on record it is those that Node trusts: libpq has another list, or none.
      ...(isVerified ? { sslrootcert: this.#file('ca', ca ?? rootCertificates.join('\n')) } : {}),
      ...(clientCert && mode !== 'disable'
        ? {
            sslcert: this.#file('cert', clientCert.certificate),
            sslkey: this.#file('key', clientCert.key.reveal()),
          }
        : {}),
    }
  }

  #file(stem: string, content: string): string {
    const there = this.#files.get(content)
    if (there !== undefined) return there
    this.#folder ??= mkdtempSync(join(tmpdir(), 'tenantry-login-'))
    const path = join(this.#folder, `${stem}-${this.#files.size}.pem`)
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' })
    this.#files.set(content, path)
    return path
  }
}

/**
 * What a program begins with: our own environment, without our settings and without what would lead libpq elsewhere.
 * @returns a new object.
 */
export function withoutOurs(variables: EnvironmentVariables): Record<string, string> {
  const isKept = ([name, value]: [string, string | undefined]) =>
    value !== undefined && !/^(?:TENANTRY_|PG[A-Z]+$|DATABASE_URL$)/.test(name)
  return Object.fromEntries(Object.entries(variables).filter(isKept)) as Record<string, string> // none is undefined
}

function refuseUnready({ id, status }: TenantRecord): void {
  if (status === 'active' || status === 'suspended') return
  throw new PreconditionFailedError(`Tenant ${id} is ${status}.`)
}

function refuseOtherName({ host, tls }: ConnectionTarget, server: string): void {
  if (tls.mode !== 'verify-full' || tls.serverName === undefined || tls.serverName === host) return
  throw new PreconditionFailedError(
    `The certificate of server ${server} has another name than its host, which no connection string can say.`,
  )
}

function urlOf(target: ConnectionTarget, tls: Readonly<Record<string, string>>): string {
  const { host, port, user, password, database } = target
  const isSocket = host.startsWith('/')
  const login = `${encodeURIComponent(user)}${password === undefined ? '' : `:${encodeURIComponent(password.reveal())}`}`
  const authority = isSocket ? 'localhost' : `${host.includes(':') ? `[${host}]` : host}:${port}`
  const parameters = new URLSearchParams({
    ...(isSocket ? { host, port: String(port) } : {}),
    ...tls,
  })
  return `postgres://${login}@${authority}/${encodeURIComponent(database)}?${parameters.toString()}`
}

function libpqOf(
  { host, port, user, password, database }: ConnectionTarget,
  tls: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    ...passwordOf(password),
    ...Object.fromEntries(Object.entries(tls).map(([name, value]) => [`PG${name.toUpperCase()}`, value])),
  }
}

function passwordOf(password: Secret | undefined): Record<string, string> {
  return password === undefined ? {} : { PGPASSWORD: password.reveal() }
}
