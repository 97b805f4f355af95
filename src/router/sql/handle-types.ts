import type { TypeProfile } from '../../connection/connection.ts'
import { driverProfile, driverProfileWith } from '../../connection/type-profile.ts'

type Parsers = Record<number, (text: string) => unknown>
type Serializers = Record<number, (value: never) => unknown>

/** Profiles of handles have texts of their own from here on; those of other parts are below. */
const FIRST_BLANKS = 16
/** A handle that comes after so many with types of their own runs unprepared: as right, and slower. */
const LAST_BLANKS = 80
let blanks = FIRST_BLANKS

/**
 * The parsers and serializers of one handle. They start as everybody's; ORMs write theirs into `parsers` and
 * `serializers` at any time, and the statements after that run with them.
 */
export class HandleTypes {
  readonly parsers: Parsers
  readonly serializers: Serializers
  readonly #ownParsers: Parsers = Object.create(driverProfile.parsers)
  readonly #ownSerializers: Serializers = Object.create(driverProfile.serializers)
  #profile: TypeProfile | undefined = driverProfile

  constructor() {
    const changed = () => {
      this.#profile = undefined
    }
    this.parsers = observed(this.#ownParsers, changed)
    this.serializers = observed(this.#ownSerializers, changed)
  }

  /** What the next statement runs with. A prepared statement keeps its parsers, so each change makes a new profile. */
  profile(): TypeProfile {
    this.#profile ??= driverProfileWith({
      parsers: this.#ownParsers,
      serializers: this.#ownSerializers,
      blanks: Math.min(blanks++, LAST_BLANKS + 1),
    })
    return this.#profile
  }

  get maySavePlans(): boolean {
    return this.profile().blanks <= LAST_BLANKS
  }
}

/** `functions`, telling of every write. */
function observed<T extends object>(functions: T, changed: () => void): T {
  return new Proxy(functions, {
    // On the object itself: an assignment would be refused where the prototype is frozen.
    set(own, key, value) {
      changed()
      return Reflect.defineProperty(own, key, { value, configurable: true, enumerable: true, writable: true })
    },
    defineProperty(own, key, descriptor) {
      changed()
      return Reflect.defineProperty(own, key, descriptor)
    },
    deleteProperty(own, key) {
      changed()
      return Reflect.deleteProperty(own, key)
    },
  })
}
