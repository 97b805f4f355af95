import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import { PartMissingError } from '../../src/errors.ts'

const execute = promisify(execFile)
const BINARIES = '/usr/lib/postgresql/15/bin'
const LINE = 'apt-get install -y --no-install-recommends postgresql-15'
const INSTALL_MS = 300_000

/**
 * The folder of Debian's Postgres 15, installed if we may.
 * @throws {PartMissingError} with the line to run, where we may not or cannot.
 */
export async function postgres15Binaries(): Promise<string> {
  if (await isInstalled()) return BINARIES
  if (process.getuid?.() !== 0)
    throw new PartMissingError(`Postgres 15 is not installed; run as root: ${LINE}`)
  // Runlevel 1: Debian's package would start a server of its own on port 5432.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  try {
    await execute('sh', ['-c', `apt-get update && ${LINE}`], { env, timeout: INSTALL_MS })
  } catch (cause) {
    throw new PartMissingError(`Postgres 15 cannot be installed; run: apt-get update && ${LINE}`, { cause })
  }
  if (!(await isInstalled())) throw new PartMissingError(`Postgres 15 is not in ${BINARIES} after: ${LINE}`)
  return BINARIES
}

function isInstalled(): Promise<boolean> {
  return access(`${BINARIES}/postgres`).then(
    () => true,
    () => false,
  )
}
