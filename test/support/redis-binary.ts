import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'
import { PartMissingError } from '../../src/errors.ts'

const execute = promisify(execFile)
const BINARY = '/usr/bin/redis-server'
const LINE = 'apt-get install -y --no-install-recommends redis-server'
const INSTALL_MS = 300_000

/**
 * Debian's Redis, installed if we may.
 * @throws {PartMissingError} with the line to run, where we may not or cannot.
 */
export async function redisBinary(): Promise<string> {
  if (await isInstalled()) return BINARY
  if (process.getuid?.() !== 0) throw new PartMissingError(`Redis is not installed; run as root: ${LINE}`)
  // Runlevel 1: Debian's package would start a server of its own on port 6379.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  try {
    // Several test files may ask at once: apt waits for its own lock.
    await execute('sh', ['-c', `apt-get update && ${LINE} -o DPkg::Lock::Timeout=120`], {
      env,
      timeout: INSTALL_MS,
    })
  } catch (cause) {
    if (await isInstalled()) return BINARY // by another process, meanwhile
    throw new PartMissingError(`Redis cannot be installed; run: apt-get update && ${LINE}`, { cause })
  }
  if (!(await isInstalled())) throw new PartMissingError(`Redis is not ${BINARY} after: ${LINE}`)
  return BINARY
}

function isInstalled(): Promise<boolean> {
  return access(BINARY).then(
    () => true,
    () => false,
  )
}
