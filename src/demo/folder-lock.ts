import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PreconditionFailedError } from '../errors.ts'
import { isAlive, signatureOf } from './process-table.ts'

/**
 * Keeps a folder for one process at a time. A holder that was killed loses it to the next one that asks.
 * The lock is a file with the holder's pid and start time: a pid alone is used again.
 */
export class FolderLock implements AsyncDisposable {
  readonly #path: string
  readonly #content: string

  private constructor(path: string, content: string) {
    this.#path = path
    this.#content = content
  }

  /** @throws {PreconditionFailedError} while another process, or this one, holds it. */
  static async take(folder: string): Promise<FolderLock> {
    const path = join(folder, 'owner')
    const content = signatureOf(process.pid)
    const own = `${path}.${process.pid}`
    await writeFile(own, content)
    try {
      for (;;) {
        if (await linked(own, path)) break
        await removeIfStale(path)
      }
    } finally {
      await rm(own, { force: true })
    }
    held.add(path)
    return new FolderLock(path, content)
  }

  async release(): Promise<void> {
    held.delete(this.#path)
    const current = await readFile(this.#path, 'utf8').catch(() => undefined)
    if (current === this.#content) await rm(this.#path, { force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }
}

/** Locks of this very process: a pid in a file cannot tell a lock of ours from one of a predecessor with our pid. */
const held = new Set<string>()

async function linked(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path) // atomic, unlike a look followed by a write
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

async function removeIfStale(path: string): Promise<void> {
  const content = await readFile(path, 'utf8').catch(() => undefined)
  if (content === undefined) return
  const pid = Number.parseInt(content, 10)
  const isOurs = pid === process.pid
  const isLive = isOurs ? held.has(path) : isAlive(pid) && signatureOf(pid) === content
  if (isLive)
    throw new PreconditionFailedError(`${path} says that process ${pid} uses this folder; stop it first`)
  const aside = `${path}.stale.${process.pid}`
  await rename(path, aside).catch(() => undefined)
  const moved = await readFile(aside, 'utf8').catch(() => undefined)
  // Someone was faster, and what we took away is his.
  if (moved !== undefined && moved !== content) await link(aside, path).catch(() => undefined)
  await rm(aside, { force: true })
}
