import { LoginFailedError, ServerUnavailableError } from '../errors.ts'
import { Message, type MessageVisitor } from './message-reader.ts'
import { readChallenge } from './scram-exchange.ts'
import { readServerError, type ServerError } from './sql-error.ts'

/** More would keep a thread for most of a second, and a server that is none could ask for it on every login. */
const MAX_SCRAM_ITERATIONS = 100_000
/** No message of a login is longer. An old server's pre-protocol error reads as a length of gigabytes. */
const MAX_MESSAGE_BYTES = 65_536
/** Parameters, notices and keys of a whole login. */
const MAX_LOGIN_BYTES = 1_048_576

const PARAMETER_STATUS = 0x53
const NOTICE = 0x4e
const NEGOTIATE_VERSION = 0x76
const EXPECTED: ReadonlySet<number> = new Set([
  Message.authentication,
  Message.backendKeyData,
  Message.readyForQuery,
  Message.errorResponse,
  PARAMETER_STATUS,
  NOTICE,
  NEGOTIATE_VERSION,
])

/** The number that an authentication request begins with. */
export const AuthenticationRequest = {
  ok: 0,
  clearText: 3,
  md5: 5,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const

export interface GuardOptions {
  readonly hasPassword: boolean
  /** TLS, or a Unix socket: a password may be sent as it is. */
  readonly isPrivate: boolean
  /** For messages. */
  readonly where: string
}

/** Reads a login before anyone answers, and says when nobody must. */
export class StartupGuard implements MessageVisitor {
  readonly #options: GuardOptions
  /** How far SCRAM is: the server must have proved itself before its OK counts. */
  #scram: 'none' | 'begun' | 'challenged' | 'proved' = 'none'
  /** It has said OK: nothing is to be proved any more, by anyone. */
  #hasLetIn = false
  #bytes = 0
  /** Why the login must end here. */
  refusal: Error | undefined
  serverError: ServerError | undefined
  key: { readonly pid: number; readonly secret: number } | undefined
  isReady = false

  constructor(options: GuardOptions) {
    this.#options = options
  }

  header(type: number, length: number): boolean {
    this.#bytes += length
    if (!EXPECTED.has(type) || length > MAX_MESSAGE_BYTES || this.#bytes > MAX_LOGIN_BYTES)
      this.#refuse(new ServerUnavailableError(`${this.#options.where} does not speak the Postgres protocol`))
    return true
  }

  message(type: number, body: Buffer): void {
    if (type === Message.authentication) this.#authentication(body)
    else if (type === Message.errorResponse) this.serverError ??= readServerError(body)
    else if (type === Message.readyForQuery) this.#ready()
    else if (type === Message.backendKeyData && body.length >= 8)
      this.key = { pid: body.readUInt32BE(0), secret: body.readUInt32BE(4) }
  }

  #refuse(error: Error): void {
    this.refusal ??= error
  }

  #refuseLogin(fault: string): void {
    this.#refuse(new LoginFailedError(`${this.#options.where}: refused to log in: ${fault}`))
  }

  #ready(): void {
    if (this.#hasLetIn) this.isReady = true
    else this.#refuseLogin('the server wants statements before it has let anyone in')
  }

  #authentication(body: Buffer): void {
    const fault = body.length < 4 ? 'a message without a kind' : this.#faultOf(body.readUInt32BE(0), body)
    if (fault) this.#refuseLogin(fault)
  }

  #faultOf(request: number, body: Buffer): string | undefined {
    if (this.#hasLetIn) return 'an authentication message after the OK'
    if (request === AuthenticationRequest.ok) {
      this.#hasLetIn = this.#scram === 'none' || this.#scram === 'proved'
      return this.#hasLetIn ? undefined : 'the server skipped the proof that it knows the password'
    }
    if (!this.#options.hasPassword) return 'the server asks for a password and the route has none'
    switch (request) {
      case AuthenticationRequest.clearText:
      case AuthenticationRequest.md5:
        return this.#options.isPrivate
          ? undefined
          : 'the server wants the password in clear text or MD5 without TLS'
      case AuthenticationRequest.sasl:
        this.#scram = 'begun'
        return body.toString('latin1', 4).split('\0').includes('SCRAM-SHA-256')
          ? undefined
          : 'the server offers no SCRAM-SHA-256'
      case AuthenticationRequest.saslContinue:
        if (this.#scram !== 'begun') return 'a SCRAM challenge out of turn'
        this.#scram = 'challenged'
        return challengeFault(body.toString('utf8', 4))
      case AuthenticationRequest.saslFinal:
        if (this.#scram !== 'challenged') return 'a SCRAM signature out of turn'
        this.#scram = 'proved'
        return undefined
      default:
        return `authentication method ${request} is not supported`
    }
  }
}

function challengeFault(text: string): string | undefined {
  const challenge = readChallenge(text)
  if (!challenge) return 'a malformed SCRAM challenge'
  const { iterations } = challenge
  return iterations > MAX_SCRAM_ITERATIONS
    ? `${iterations} SCRAM iterations, over ${MAX_SCRAM_ITERATIONS}`
    : undefined
}
