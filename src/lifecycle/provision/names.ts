import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { Secret } from '../../secret.ts'
import { migratorOf } from '../tenant/login-slots.ts'

/** What a database of our making and its roles are called; chosen before the first statement. */
export const Names = z.strictObject({
  database: z.string(),
  /** Owns the database and everything in it; nobody logs in as it. */
  owner: z.string(),
  /** The two login roles of the runtime; rotation goes from one to the other. */
  slots: z.strictObject({ a: z.string(), b: z.string() }),
  /** Logs in, when a migration is to run, and makes what it makes as the owner. */
  migrator: z.string().optional(),
  incarnation: z.uuid(),
})
export type Names = z.output<typeof Names>

/** They tell nothing: every role of a server can read those of all databases and roles there. */
export function chooseNames(): Names {
  return namesOf(`t_${randomBase32(26)}`, randomUUID())
}

export function namesOf(database: string, incarnation: string): Names {
  const a = `${database}_a`
  return {
    database,
    owner: `${database}_owner`,
    slots: { a, b: `${database}_b` },
    migrator: migratorOf(a),
    incarnation,
  }
}

export function rolesOf({ owner, slots, migrator }: Names): string[] {
  return [owner, slots.a, slots.b, ...(migrator === undefined ? [] : [migrator])]
}

/** 256 random bits: no number of iterations makes it harder to guess. */
export function randomPassword(): Secret {
  return new Secret(randomBytes(32).toString('base64url'))
}

function randomBase32(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  return Array.from(randomBytes(length), (byte) => alphabet[byte % 32]).join('')
}
