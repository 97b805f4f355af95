import type { Residue, Trust } from './connection.ts'

/** Command tags that leave nothing in the session once their transaction has ended. */
const HARMLESS = new Set([
  'SELECT',
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'EXPLAIN',
  'SHOW',
  'COPY',
  'BEGIN',
  'START TRANSACTION',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT',
  'RELEASE',
])

/** First words of tags after which the driver's view of its prepared statements may be wrong, or code was loaded. */
const UNUSABLE = new Set(['PREPARE', 'DEALLOCATE', 'DISCARD', 'LOAD'])

/** A command tag in its parts: `INSERT 0 5` is INSERT of 5 rows. */
export interface CommandTag {
  readonly command: string
  readonly rowCount: number | null
}

export const NO_COMMAND: CommandTag = { command: '', rowCount: null }

/** @param body of a CommandComplete message */
export function readCommandTag(body: Buffer): CommandTag {
  const text = body.toString('latin1', 0, body.length - 1)
  const match = /^([A-Z ]*[A-Z])(?: \d+)*?(?: (\d+))?$/.exec(text)
  if (!match?.[1]) return { ...NO_COMMAND, command: text }
  return { command: match[1], rowCount: match[2] === undefined ? null : Number(match[2]) }
}

export function residueOf(command: string): Residue {
  if (HARMLESS.has(command)) return 'none'
  return UNUSABLE.has(command.split(' ', 1)[0] ?? '') ? 'unusable' : 'session'
}

const WEIGHT = { none: 0, session: 1, unusable: 2 } as const satisfies Record<Residue, number>

export function worse(a: Residue, b: Residue): Residue {
  return WEIGHT[a] >= WEIGHT[b] ? a : b
}

/**
 * Returns a session to its startup state without DISCARD ALL, which would take the driver's prepared
 * statements with it. RESET ALL goes back to the settings of the startup packet.
 */
const SOFT_RESET =
  'reset session authorization; reset role; reset all; close all; unlisten *; ' +
  'select pg_catalog.pg_advisory_unlock_all(); discard temp; discard sequences'

/** What is known of a session when its user has gone. */
export interface Evidence {
  readonly transaction: 'idle' | 'open' | 'failed'
  readonly residue: Residue
  /** A library was loaded into the backend, where it stays. */
  readonly hasLoaded: boolean
  /** Named statements of the driver's, which it would go on using. */
  readonly preparedStatements: number
}

/** Why no command makes the session as new; undefined where `cleaningCommands` do. */
export function whyUnusable(trust: Trust, evidence: Evidence): string | undefined {
  if (evidence.hasLoaded) return 'a library was loaded'
  if (trust === 'application')
    return evidence.residue === 'unusable' ? 'prepared statements were changed' : undefined
  return evidence.preparedStatements > 0 ? 'the driver holds named statements' : undefined
}

/** Texts to send, one after another. Application: only what the evidence asks for, in one text. */
export function cleaningCommands(trust: Trust, evidence: Evidence): readonly string[] {
  const rollback = evidence.transaction === 'idle' ? [] : ['rollback']
  // DISCARD ALL runs in no transaction, not even in that of a text with two commands.
  if (trust === 'foreign') return [...rollback, 'discard all']
  const reset = evidence.residue === 'none' ? [] : [SOFT_RESET]
  const text = [...rollback, ...reset].join('; ')
  return text === '' ? [] : [text]
}
