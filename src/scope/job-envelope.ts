import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { InvalidConfigError, InvalidRequestError, JobRefusedError } from '../errors.ts'
import { Secret } from '../secret.ts'
import { TenantIdSchema } from '../tenant/tenant-record.ts'
import { jsonText } from './json-text.ts'

const VERSION = 1
const MIN_KEY_CHARACTERS = 32
const MAX_NAME = 128
/** Characters of an envelope beside its payload. */
const FRAME = 1_000

/** The parts of an envelope that its signature covers. All plain, so that any queue keeps them as they are. */
const Sealed = z.strictObject({
  v: z.literal(VERSION),
  id: z.uuid(),
  tenant: TenantIdSchema,
  generation: z.int().positive(),
  epoch: z.int().positive(),
  name: z.string().min(1).max(MAX_NAME),
  /** JSON as text: a queue that reorders what is in objects, or rounds numbers, does not touch it. */
  payload: z.string(),
  /** Milliseconds since 1970. */
  issuedAt: z.int().nonnegative(),
})
type Sealed = z.output<typeof Sealed>

const JobEnvelope = Sealed.extend({ signature: z.string().regex(/^[\w-]{43}$/) })

/** A job on its way through a queue: JSON, and nothing secret but what its payload holds. */
export type JobEnvelope = z.output<typeof JobEnvelope>

/** Seals jobs, and opens what it or its predecessors have sealed, of this registry. */
export class JobSeal {
  readonly #keys: readonly Secret[]
  readonly #maxPayloadCharacters: number

  /**
   * @param keys the first seals, all open.
   * @throws {InvalidConfigError} where one is shorter than 32 characters.
   */
  constructor(keys: readonly (string | Secret)[], maxPayloadCharacters: number) {
    this.#keys = keys.map((key) => (typeof key === 'string' ? new Secret(key) : key))
    this.#maxPayloadCharacters = maxPayloadCharacters
    if (this.#keys.some((key) => key.reveal().length < MIN_KEY_CHARACTERS))
      throw new InvalidConfigError([`the key of jobs must have at least ${MIN_KEY_CHARACTERS} characters`])
  }

  /** @throws {InvalidRequestError} where the name or the payload is too long, or the payload no JSON. */
  seal(registry: string, job: Omit<Sealed, 'v' | 'payload'>, payload: unknown): JobEnvelope {
    if (job.name.length < 1 || job.name.length > MAX_NAME)
      throw new InvalidRequestError(`The name of a job has 1 to ${MAX_NAME} characters.`)
    return this.sealText(registry, { v: VERSION, ...job, payload: this.#textOf(payload) })
  }

  sealText(registry: string, sealed: Sealed): JobEnvelope {
    const [key] = this.#keys
    if (key === undefined) throw new InvalidConfigError(['jobs need a key'])
    return { ...sealed, signature: signature(key, registry, sealed) }
  }

  /** @throws {JobRefusedError} `malformed` or `forged`. */
  open(registry: string, envelope: unknown): Sealed {
    const parsed = JobEnvelope.safeParse(this.#objectOf(envelope))
    if (!parsed.success) throw new JobRefusedError('malformed', 'this is not the envelope of a job')
    const { signature: given, ...sealed } = parsed.data
    // As text: several texts stand for the same bytes.
    const bytes = Buffer.from(given)
    const isOurs = this.#keys.some((key) =>
      timingSafeEqual(Buffer.from(signature(key, registry, sealed)), bytes),
    )
    if (!isOurs)
      throw new JobRefusedError('forged', 'the job was not sealed with a key of ours, or was altered')
    return sealed
  }

  #objectOf(envelope: unknown): unknown {
    if (typeof envelope !== 'string') return envelope
    // A text of so many characters in JSON has at most six times as many.
    if (envelope.length > 6 * this.#maxPayloadCharacters + FRAME) return undefined
    try {
      return JSON.parse(envelope)
    } catch {
      return undefined
    }
  }

  #textOf(payload: unknown): string {
    const text = jsonText(payload, 'The payload of a job')
    if (text.length > this.#maxPayloadCharacters)
      throw new InvalidRequestError(
        `The payload of a job has at most ${this.#maxPayloadCharacters} characters of JSON; name what is larger.`,
      )
    return text
  }
}

/** In an order of ours, whatever the order in the envelope. The registry is covered, too: another one's jobs are foreign. */
function signature(key: Secret, registry: string, job: Sealed): string {
  const { v, id, tenant, generation, epoch, name, payload, issuedAt } = job
  return createHmac('sha256', key.reveal())
    .update(
      JSON.stringify(['tenantry job', registry, v, id, tenant, generation, epoch, name, payload, issuedAt]),
    )
    .digest('base64url')
}
