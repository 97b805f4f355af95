import { createHash } from 'node:crypto'
import type { Secret } from '../secret.ts'
import { readChallenge, ScramExchange } from './scram-exchange.ts'
import type { ScramKeyCache } from './scram-keys.ts'
import { AuthenticationRequest as Request } from './startup-guard.ts'

const MECHANISM = 'SCRAM-SHA-256'
const PASSWORD_MESSAGE = 0x70

export interface AuthenticatorOptions {
  readonly user: string
  readonly password: Secret | undefined
  readonly scramKeys: ScramKeyCache | undefined
  /** To the server; nowhere once the login has ended. */
  readonly send: (message: Buffer) => void
  /** Hears why the login must end. */
  readonly refuse: (why: string) => void
}

/** Answers the server's requests for a password, those that the guard has let pass. */
export class Authenticator {
  readonly #options: AuthenticatorOptions
  #scram: ScramExchange | undefined

  constructor(options: AuthenticatorOptions) {
    this.#options = options
  }

  /** @param body of an authentication message. */
  take(body: Buffer): void {
    const { password } = this.#options
    const request = body.readUInt32BE(0)
    if (request === Request.ok || password === undefined) return
    switch (request) {
      case Request.clearText:
        return this.#send(terminated(password.reveal()))
      case Request.md5:
        return this.#send(terminated(this.#md5Of(password, body.subarray(4, 8))))
      case Request.sasl:
        return this.#begin(password)
      case Request.saslContinue:
        return this.#answer(body.toString('utf8', 4))
      case Request.saslFinal:
        if (!this.#scram?.isProof(body.toString('utf8', 4)))
          this.#options.refuse('the server could not prove that it knows the password')
    }
  }

  #begin(password: Secret): void {
    this.#scram = new ScramExchange(password, this.#options.scramKeys)
    const first = Buffer.from(this.#scram.first)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(first.length)
    this.#send(Buffer.concat([terminated(MECHANISM), length, first]))
  }

  #answer(text: string): void {
    const challenge = readChallenge(text)
    const scram = this.#scram
    if (!challenge || !scram?.isOurs(challenge))
      return this.#options.refuse('the server answered the nonce of another login')
    scram.answer(challenge).then(
      (answer) => this.#send(Buffer.from(answer)),
      (cause: Error) => this.#options.refuse(cause.message),
    )
  }

  /** The protocol's own: md5(md5(password + user) + salt). Asked for over TLS or a local socket alone. */
  #md5Of(password: Secret, salt: Buffer): string {
    const md5 = (...parts: (string | Buffer)[]) =>
      parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest('hex')
    return `md5${md5(md5(password.reveal(), this.#options.user), salt)}`
  }

  #send(body: Buffer): void {
    const header = Buffer.alloc(5)
    header[0] = PASSWORD_MESSAGE
    header.writeUInt32BE(body.length + 4, 1)
    this.#options.send(Buffer.concat([header, body]))
  }
}

function terminated(text: string): Buffer {
  return Buffer.from(`${text}\0`)
}
