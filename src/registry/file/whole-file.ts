import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface FileContent {
  readonly text: string
  readonly fingerprint: string
}

/** Tells one content of a path from the next without reading it; undefined where there is no file. */
export async function fingerprintOf(path: string): Promise<string | undefined> {
  try {
    return fingerprint(await stat(path, { bigint: true }))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

export async function readWholeFile(path: string): Promise<FileContent> {
  const file = await open(path, 'r')
  try {
    // Before the text: a change in between makes the fingerprint too old, and the next look reads again.
    const seen = fingerprint(await file.stat({ bigint: true }))
    return { text: await file.readFile('utf8'), fingerprint: seen }
  } finally {
    await file.close()
  }
}

/**
 * Puts `text` in the place of the file, mode 600: after a crash there is the old content or the new one,
 * whole. The caller holds the file's lock.
 * @param refuse called right before the old content goes; may throw.
 * @returns the fingerprint of what was written.
 */
export async function replaceFile(path: string, text: string, refuse: () => Promise<void>): Promise<string> {
  // A fixed name: what a crash left behind goes with the next one. Made anew, so never written through a link.
  const next = `${path}.new`
  await rm(next, { force: true })
  const written = await withFile(next, 'wx', async (file) => {
    await file.writeFile(text)
    await file.sync()
    return fingerprint(await file.stat({ bigint: true }))
  })
  await refuse()
  await rename(next, path)
  await withFile(dirname(path), 'r', (folder) => folder.sync())
  return written
}

/** Adds a line, on disk when this resolves. */
export async function appendLine(path: string, line: string): Promise<void> {
  await withFile(path, 'a', async (file) => {
    await file.appendFile(`${line}\n`)
    await file.datasync()
  })
}

async function withFile<T>(path: string, flags: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600)
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

function fingerprint({ ino, size, mtimeNs }: { ino: bigint; size: bigint; mtimeNs: bigint }): string {
  return `${ino} ${size} ${mtimeNs}`
}
