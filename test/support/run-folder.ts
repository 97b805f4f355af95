import { rmSync } from 'node:fs'
import { chmod, mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { signatureOf } from '../../src/demo/process-table.ts'

/** A file system in memory, where Linux has one. */
const MEMORY = '/dev/shm'
/** Bytes. Several times what a run holds there at its height, and its processes beside it. */
const ROOM = 4 * 1024 ** 3
const PREFIX = 'tenantry-run-'

/**
 * Keeps the temporary files of a run in memory where there is room, the data of its servers above all: what they
 * make and drop by the hundred costs a disk many times as much. Nothing of it is to outlive the run.
 */
export default async function setup(): Promise<() => Promise<void>> {
  await removeAbandoned()
  if ((await room()) < ROOM) return async () => undefined
  const folder = join(MEMORY, PREFIX + signature(process.pid))
  await mkdir(folder)
  await chmod(folder, 0o1777) // as /tmp is, whatever the umask: another user runs Postgres
  const before = process.env['TMPDIR']
  process.env['TMPDIR'] = folder // read by `tmpdir()` here, in the workers and in what those start
  process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }))
  return async () => {
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
  }
}

/** What a container may use is what counts, not what its host has. */
async function room(): Promise<number> {
  const found = await statfs(MEMORY).catch(() => undefined)
  return found ? Math.min(found.bavail * found.bsize, process.availableMemory()) : 0
}

/** Those of runs that were killed. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(MEMORY).catch(() => [])
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const owner = name.slice(PREFIX.length)
    if (owner === signature(Number.parseInt(owner, 10))) continue
    await rm(join(MEMORY, name), { recursive: true, force: true })
  }
}

/** Pid and start time: a pid alone is used again. */
const signature = (pid: number) => signatureOf(pid).replace(' ', '-')
