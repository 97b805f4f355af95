import { randomBytes } from 'node:crypto'
import pg from 'pg'

export interface Login {
  readonly role: string
  readonly password: string
  /** What the server keeps of the password. */
  readonly verifier: string
}

/** Which login of a place: its own with an ordinary verifier or one of 1 iteration, or the one role of all. */
export type LoginKind = 'ordinary' | 'cheap' | 'shared'

/** A tenant's database and the roles that may connect to it. None of them owns it. */
export interface Place {
  readonly database: string
  readonly oid: number
  readonly logins: Readonly<Record<LoginKind, Login>>
}

interface Made {
  readonly places: readonly Place[]
  readonly systemIdentifier: string
}

/** What Postgres does by itself, and the least. */
const ITERATIONS = { ordinary: 4_096, cheap: 1 } as const

/** Databases db_0001 and so on, each with two roles of its own, and one role that may enter all. */
export async function makePlaces(adminDsn: string, count: number): Promise<Made> {
  const admin = new pg.Client(adminDsn)
  await admin.connect()
  try {
    const shared = await makeLogin(admin, 'shared', 'ordinary')
    const places: Place[] = []
    for (let number = 1; number <= count; number++) {
      places.push(await makePlace(admin, String(number).padStart(4, '0'), shared))
    }
    const { rows } = await admin.query<{ id: string }>(
      'select system_identifier::text as id from pg_control_system()',
    )
    return { places, systemIdentifier: rows[0]?.id ?? '' }
  } finally {
    await admin.end()
  }
}

async function makePlace(admin: pg.Client, digits: string, shared: Login): Promise<Place> {
  const database = `db_${digits}`
  const ordinary = await makeLogin(admin, `app_${digits}`, 'ordinary')
  const cheap = await makeLogin(admin, `low_${digits}`, 'cheap')
  await admin.query(`create database ${database}`)
  await admin.query(`revoke all on database ${database} from public`)
  await admin.query(
    `grant connect, temporary on database ${database} to ${[ordinary, cheap, shared].map(({ role }) => role).join()}`,
  )
  const { rows } = await admin.query<{ oid: number }>(
    'select oid::int as oid from pg_database where datname = $1',
    [database],
  )
  return { database, oid: rows[0]?.oid ?? 0, logins: { ordinary, cheap, shared } }
}

async function makeLogin(admin: pg.Client, role: string, kind: keyof typeof ITERATIONS): Promise<Login> {
  const password = randomBytes(24).toString('hex')
  await admin.query(`set scram_iterations = ${ITERATIONS[kind]}`)
  await admin.query(`create role ${role} login password '${password}'`)
  const { rows } = await admin.query<{ verifier: string }>(
    'select rolpassword as verifier from pg_authid where rolname = $1',
    [role],
  )
  return { role, password, verifier: rows[0]?.verifier ?? '' }
}
