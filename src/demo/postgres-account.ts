import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { PartMissingError } from '../errors.ts'

const execute = promisify(execFile)

/** The user that Postgres runs as where that is not ourselves. */
export interface PostgresAccount {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** In this order: the one that Debian's packages make, then the one every system has. */
const CANDIDATES = ['postgres', 'nobody']

/**
 * Postgres refuses to run as root; everybody else runs it as himself, and then the answer is undefined.
 * @throws {PartMissingError} as root, when there is no other user to run it as.
 */
export async function postgresAccount(): Promise<PostgresAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of CANDIDATES) {
    const uid = await numberOf('-u', name)
    const gid = await numberOf('-g', name)
    if (uid !== undefined && gid !== undefined && uid !== 0) return { name, uid, gid }
  }
  throw new PartMissingError(
    'Postgres refuses to run as root and there is no other user; run: useradd --system postgres',
  )
}

async function numberOf(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  try {
    const { stdout } = await execute('id', [flag, name])
    return Number.parseInt(stdout, 10)
  } catch {
    return undefined // no such user
  }
}
