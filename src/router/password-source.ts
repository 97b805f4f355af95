import { LRUCache } from 'lru-cache'
import { PasswordUnavailableError, UnsupportedError } from '../errors.ts'
import { unlessAborted } from '../registry/abort.ts'
import type { ServerRecord } from '../registry/server-record.ts'
import { SingleFlight } from '../registry/single-flight.ts'
import { within } from '../registry/within.ts'
import { Secret } from '../secret.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'

/** Who is about to log in, and where. */
export interface ProvidedLogin {
  readonly server: string
  readonly host: string
  readonly port: number
  readonly role: string
}

/**
 * Makes a short-lived password, as an access token of a cloud. Asked once for all who wait for the same login,
 * and again for each login unless it says until when the password may be used.
 */
export type PasswordProvider = (
  login: ProvidedLogin,
) => Promise<string | { readonly password: string; readonly expiresAt: Date }>

/** What is left of a password's time may not be enough for a login. */
const MARGIN_MS = 10_000
const MAX_KEPT = 10_000

interface Kept {
  readonly password: Secret
  /** Milliseconds since 1970. */
  readonly until: number
}

/** Passwords of servers whose records name a provider. */
export class PasswordSource {
  readonly #providers: ReadonlyMap<string, PasswordProvider>
  readonly #kept = new LRUCache<string, Kept>({ max: MAX_KEPT })
  readonly #flights = new SingleFlight<Secret>()

  /** @param providers by the names that server records have for them. */
  constructor(providers: Readonly<Record<string, PasswordProvider>> = {}) {
    this.#providers = new Map(Object.entries(providers))
  }

  /**
   * Undefined where the password is in the tenant's own record.
   * @throws {UnsupportedError} for a provider that this process was not given; {PasswordUnavailableError} for one
   * that fails, or takes longer than `timeoutMs`; {CancelledError}
   */
  async passwordFor(
    record: TenantRecord,
    server: ServerRecord,
    { connectTimeoutMs, signal }: { readonly connectTimeoutMs: number; readonly signal: AbortSignal },
  ): Promise<Secret | undefined> {
    const name = server.passwordProvider
    if (name === null) return undefined
    const provider = this.#providers.get(name)
    if (!provider) {
      throw new UnsupportedError(
        `server ${server.id} without its password provider ${name}`,
        `give createRouter passwordProviders: { ${name} }`,
      )
    }
    const key = keyOf(record, server)
    const kept = this.#kept.get(key)
    if (kept && Date.now() < kept.until) return kept.password
    const asked = this.#flights.run(key, () => this.#ask(provider, record, server, connectTimeoutMs))
    return unlessAborted(asked, signal)
  }

  /** The server refused it: the next login asks anew. */
  forget(record: TenantRecord, server: ServerRecord): void {
    this.#kept.delete(keyOf(record, server))
  }

  async #ask(
    provider: PasswordProvider,
    record: TenantRecord,
    server: ServerRecord,
    timeoutMs: number,
  ): Promise<Secret> {
    const who = `password provider ${server.passwordProvider} of server ${server.id}`
    const late = () => new PasswordUnavailableError(`${who}: no answer in ${timeoutMs} ms`)
    const { host = '', port = 0 } = server.endpoints.find(({ role }) => role === 'primary') ?? {}
    const login = { server: server.id, host, port, role: record.route.role }
    const answer = await within(
      // A provider that throws before it returns a promise is one that failed, too.
      Promise.resolve().then(() => provider(login)),
      timeoutMs,
      late,
    ).catch((cause: unknown) => {
      if (cause instanceof PasswordUnavailableError) throw cause
      throw new PasswordUnavailableError(`${who} failed`, { cause })
    })
    if (typeof answer === 'string') return new Secret(answer)
    const password = new Secret(answer.password)
    const until = answer.expiresAt.getTime() - MARGIN_MS
    this.#kept.set(keyOf(record, server), { password, until })
    return password
  }
}

/** A token may be made for one address. */
function keyOf({ route }: TenantRecord, server: ServerRecord): string {
  const { id, passwordProvider, endpoints } = server
  return JSON.stringify([id, passwordProvider, endpoints, route.role])
}
