import { rmSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { signatureOf } from '../../src/demo/process-table.ts'
import { stopAbandoned, stopOwn } from './started-processes.ts'

/** A file system in memory, where Linux has one. */
const MEMORY = '/dev/shm'
/** Bytes. Several times what a run holds there at its height, and its processes beside it. */
const ROOM = 4 * 1024 ** 3
const PREFIX = 'tenantry-run-'

/**
 * Keeps the temporary files of a run in memory where there is room, the data of its servers above all: what they
 * make and drop by the hundred costs a disk many times as much. Nothing of it is to outlive the run. Whoever says
 * with `TMPDIR` where such files go is obeyed.
 */
export default async function setup(): Promise<() => Promise<void>> {
  await removeAbandoned()
  const folder = process.env['TMPDIR'] ? undefined : await folderInMemory()
  if (folder === undefined) return async () => undefined
  process.env['TMPDIR'] = folder // read by `tmpdir()` here, in the workers and in what those start
  process.once('exit', () => {
    stopOwn() // first: a server that still runs goes on writing there
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  })
  return async () => {
    delete process.env['TMPDIR']
  }
}

/** Undefined where there is no room, or none for us. */
async function folderInMemory(): Promise<string | undefined> {
  if ((await room()) < ROOM) return undefined
  const folder = join(MEMORY, PREFIX + signature(process.pid))
  try {
    await mkdir(folder)
  } catch {
    return undefined // not ours to write in
  }
  await chmod(folder, 0o1777) // as /tmp is, whatever the umask: another user runs Postgres
  return folder
}

/** What a container may use is what counts, not what its host has. */
async function room(): Promise<number> {
  const found = await statfs(MEMORY).catch(() => undefined)
  return found ? Math.min(found.bavail * found.bsize, process.availableMemory()) : 0
}

/** Those of our runs that were killed; another user's are for him to remove. */
async function removeAbandoned(): Promise<void> {
  await stopAbandoned()
  const names = await readdir(MEMORY).catch(() => [])
  for (const name of names.filter((one) => one.startsWith(PREFIX))) {
    const owner = name.slice(PREFIX.length)
    if (owner === signature(Number.parseInt(owner, 10))) continue
    const folder = join(MEMORY, name)
    const found = await lstat(folder).catch(() => undefined) // else: another run of ours was faster
    if (found?.uid !== process.getuid?.()) continue
    // Or by the next run: a worker may take a moment to see that it is alone.
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }).catch(() => undefined)
  }
}

/** Pid and start time: a pid alone is used again. */
const signature = (pid: number) => signatureOf(pid).replace(' ', '-')
