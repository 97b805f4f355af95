import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import { PartMissingError } from '../../src/errors.ts'

const execute = promisify(execFile)
const BINARY = '/usr/sbin/pgbouncer'
const LINE = 'apt-get install -y --no-install-recommends pgbouncer'
const INSTALL_MS = 300_000

/**
 * Debian's PgBouncer, installed if we may.
 * @throws {PartMissingError} with the line to run, where we may not or cannot.
 */
export async function pgBouncerBinary(): Promise<string> {
  if (await isInstalled()) return BINARY
  if (process.getuid?.() !== 0) throw new PartMissingError(`PgBouncer is not installed; run as root: ${LINE}`)
  // Runlevel 1: Debian's package would start a pooler of its own on port 6432.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  try {
    await execute('sh', ['-c', `apt-get update && ${LINE}`], { env, timeout: INSTALL_MS })
  } catch (cause) {
    throw new PartMissingError(`PgBouncer cannot be installed; run: apt-get update && ${LINE}`, { cause })
  }
  if (!(await isInstalled())) throw new PartMissingError(`PgBouncer is not ${BINARY} after: ${LINE}`)
  return BINARY
}

function isInstalled(): Promise<boolean> {
  return access(BINARY).then(
    () => true,
    () => false,
  )
}
