import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { InvalidRequestError } from '../../errors.ts'

export interface NewFile {
  /** From the folder. */
  readonly path: string
  readonly text: string
  readonly mode: number
}

/**
 * All of the files or none: what is there is never overwritten, and what was begun is taken back.
 * @returns their paths.
 * @throws {InvalidRequestError} that names every one that is there.
 */
export function writeNew(folder: string, files: readonly NewFile[]): string[] {
  const taken = files.map(({ path }) => path).filter((path) => existsSync(join(folder, path)))
  if (taken.length > 0) {
    const are = taken.length === 1 ? 'is' : 'are'
    throw refusal(folder, `${taken.join(', ')} ${are} there already and ${are} never overwritten`)
  }
  const written: string[] = []
  let made: string | undefined
  try {
    // A folder that we make is its owner's: keys are in it.
    made = mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const { path, text, mode } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text, { mode, flag: 'wx' })
      written.push(path)
    }
    return written
  } catch (cause) {
    for (const path of written) rmSync(join(folder, path), { force: true })
    if (made !== undefined) removeEmpty(folder)
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unwritable'
    throw refusal(folder, code === 'EEXIST' ? 'a file came meanwhile and is never overwritten' : code)
  }
}

function refusal(folder: string, why: string): InvalidRequestError {
  return new InvalidRequestError(`cannot begin in ${folder}: ${why}`)
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Somebody else put something there.
  }
}
