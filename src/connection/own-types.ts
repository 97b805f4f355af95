import { LRUCache } from 'lru-cache'
import type { TypeProfile } from './connection.ts'

/** OIDs below are Postgres's own, and in a static table. */
const FIRST_OWN_OID = 16_384
/** Databases of which something is remembered. */
const MAX_DATABASES = 2_000
/** Types of one database; past that they are learnt anew. */
const MAX_TYPES = 10_000

/** What the server says of one type. */
export interface TypeAnswer {
  readonly oid: number
  /** What an element is in the end: the type below all domains. Null: the type is no array. */
  readonly element: number | null
  readonly delimiter: string
  /** The element is an array of the database's own, too. */
  readonly isNested: boolean
}

type ArrayAnswer = TypeAnswer & { readonly element: number }

/**
 * The arrays among one database's own types (of enums, domains, composites), which nothing but its catalog
 * knows. An OID is not given again while its database lives, so what was learnt stays true.
 */
export class OwnTypes {
  readonly #types = new Map<number, ArrayAnswer | 'no array'>()

  /** Of the types, those that are the database's own and not known yet. */
  missing(types: Iterable<number>): readonly number[] {
    const missing = new Set<number>()
    for (const type of types) this.#addMissing(type, missing)
    return [...missing]
  }

  /** Of a type without an answer nothing is learnt: a transaction does not see one that is younger than itself. */
  learn(answers: readonly TypeAnswer[]): void {
    if (this.#types.size + answers.length > MAX_TYPES) this.#types.clear()
    for (const answer of answers) this.#types.set(answer.oid, isArray(answer) ? answer : 'no array')
  }

  forget(): void {
    this.#types.clear()
  }

  /** Undefined for what is no array of the database's own, or not known to be one. */
  parserOf(type: number, profile: TypeProfile): ((text: string) => unknown) | undefined {
    const known = this.#types.get(type)
    if (known === undefined || known === 'no array') return undefined
    return profile.arrayOf?.(
      profile.parsers[known.element] ?? this.parserOf(known.element, profile),
      known.delimiter,
    )
  }

  #addMissing(type: number, missing: Set<number>): void {
    if (!isOwn(type)) return
    const known = this.#types.get(type)
    if (known === undefined) missing.add(type)
    else if (known !== 'no array' && known.isNested) this.#addMissing(known.element, missing)
  }
}

function isArray(answer: TypeAnswer): answer is ArrayAnswer {
  return answer.element !== null
}

export function isOwn(type: number): boolean {
  return type >= FIRST_OWN_OID
}

/** By any value of the type: an array begins with a brace, or with its bounds. No other needs to be asked for. */
export function mayBeArray(text: unknown): boolean {
  return typeof text === 'string' && (text.startsWith('{') || text.startsWith('['))
}

const known = new LRUCache<string, OwnTypes>({ max: MAX_DATABASES })

/** @param key names one database at one state of its schema; undefined: nothing is shared. */
export function ownTypesOf(key: string | undefined): OwnTypes {
  if (key === undefined) return new OwnTypes()
  const shared = known.get(key) ?? new OwnTypes()
  known.set(key, shared)
  return shared
}

/** Command tags of what may end a type, whose number another may then have. */
const TYPE_CHANGE = /^(CREATE|ALTER|DROP) (TYPE|DOMAIN|TABLE|SCHEMA|EXTENSION|OWNED)\b/

export function mayChangeTypes(command: string): boolean {
  return TYPE_CHANGE.test(command)
}
