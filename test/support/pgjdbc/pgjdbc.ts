import { execFile, spawn } from 'node:child_process'
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { PartMissingError } from '../../../src/errors.ts'

const execute = promisify(execFile)
const CACHE = resolve(import.meta.dirname, '../../../.cache')
const PACKAGE = 'libpostgresql-jdbc-java'
const JAR = 'usr/share/java/postgresql.jar'
const PROGRAM = join(import.meta.dirname, 'Login.java')
const FETCH_MS = 180_000
const RUN_MS = 60_000

export interface Login {
  /** As `host:port/database`. */
  readonly address: string
  readonly user: string
  readonly password: string
}

/** Whether this machine has a Java that runs a program from its source. */
export async function hasJava(): Promise<boolean> {
  try {
    const { stdout } = await execute('java', ['--list-modules'], { timeout: RUN_MS })
    return /^java\.sql@/m.test(stdout) && /^jdk\.compiler@/m.test(stdout)
  } catch {
    return false
  }
}

/**
 * What pgjdbc says of each login: `in: ` and the role, or `out: ` and why. Its passwords go by standard input.
 * @throws {PartMissingError} where the driver cannot be had from the Debian mirror of this machine.
 */
export async function loginByPgjdbc(logins: readonly Login[]): Promise<string[]> {
  const jar = await pgjdbc()
  const child = spawn('java', ['-XX:TieredStopAtLevel=1', '-cp', jar, PROGRAM], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: RUN_MS,
  })
  child.stdin.end(logins.map(({ address, user, password }) => `${address}\t${user}\t${password}\n`).join(''))
  const [said, faults] = await Promise.all([text(child.stdout), text(child.stderr)])
  const lines = said.trimEnd().split('\n')
  if (lines.length !== logins.length) throw new Error(`pgjdbc did not come to its end: ${faults}`)
  return lines
}

/** Debian's jar, fetched with apt and unpacked under `.cache/`. Nothing of the system is changed. */
async function pgjdbc(): Promise<string> {
  const tree = join(CACHE, 'pgjdbc')
  if (await exists(join(tree, JAR))) return join(tree, JAR)
  await mkdir(CACHE, { recursive: true })
  const folder = await mkdtemp(join(CACHE, 'pgjdbc-'))
  try {
    await fetchPackage(folder)
    const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'))
    await execute('dpkg', ['-x', join(folder, archive ?? ''), join(folder, 'tree')])
    await rename(join(folder, 'tree'), tree).catch(async (error: unknown) => {
      if (!(await exists(join(tree, JAR)))) throw error // else: another run was faster
    })
  } catch (cause) {
    const how = `run: apt-get update && apt-get download ${PACKAGE}`
    throw new PartMissingError(`pgjdbc cannot be fetched with apt; ${how}`, { cause })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return join(tree, JAR)
}

/** By the lists that the machine has; where it has none, or old ones, by lists of our own. */
async function fetchPackage(folder: string): Promise<void> {
  const terms = { cwd: folder, timeout: FETCH_MS }
  // The folder is ours: apt's own user could not write into it.
  const asUs = ['-o', 'APT::Sandbox::User=root', '-q']
  try {
    await execute('apt-get', [...asUs, 'download', PACKAGE], terms)
  } catch {
    await mkdir(join(folder, 'lists', 'partial'), { recursive: true })
    const own = [...asUs, '-o', `Dir::State::lists=${join(folder, 'lists')}`]
    await execute('apt-get', [...own, 'update'], terms)
    await execute('apt-get', [...own, 'download', PACKAGE], terms)
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
