import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { ChildService } from '../http/child-service.ts'

const execute = promisify(execFile)
const ROOT = resolve(import.meta.dirname, '../..')
/** What a version is compiled from, and what it reads at run time. */
const PARTS = ['src', 'registry', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']

/**
 * The release that this tree must run beside, by its commit, which a clone without tags has too. After the next release:
 * that one, its `registry.schema.json` beside this file, and the files of its schema in version-before.test.ts.
 */
export const BEFORE = { name: '0.1.0', commit: '5193f3e5456bf1c9f33c6eeb841519bc27b2d741' }

export interface Ran {
  /** Null after a kill. */
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export type Variables = Readonly<Record<string, string>>

/** A version of this package, compiled into a folder of its own and run as its users do. */
export class Version implements AsyncDisposable {
  readonly name: string
  readonly #folder: string

  private constructor(name: string, folder: string) {
    this.name = name
    this.#folder = folder
  }

  /** The release before, from its own source. */
  static async before(): Promise<Version> {
    await refuseShallow()
    return Version.#compiled(BEFORE.name, async (folder) => {
      const archive = join(folder, 'source.tar')
      await execute('git', ['archive', '--output', archive, BEFORE.commit, ...PARTS], { cwd: ROOT })
      await execute('tar', ['xf', archive], { cwd: folder })
    })
  }

  /** This tree as it is, committed or not. */
  static present(): Promise<Version> {
    return Version.#compiled('present', copyTree)
  }

  /** As this tree, with one more step of the Postgres registry's schema. */
  static after(step: (version: number) => string): Promise<Version> {
    return Version.#compiled('after', async (folder) => {
      await copyTree(folder)
      const steps = join(folder, 'registry/postgres')
      const version = (await readdir(steps)).filter((name) => name.endsWith('.sql')).length + 1
      await writeFile(join(steps, `${String(version).padStart(3, '0')}-after.sql`), step(version))
    })
  }

  static async #compiled(name: string, fill: (folder: string) => Promise<void>): Promise<Version> {
    const folder = await mkdtemp(join(tmpdir(), `tenantry-${name}-`))
    const version = new Version(name, folder)
    try {
      await fill(folder)
      await install(folder)
      await compile(folder)
      return version
    } catch (error) {
      await version[Symbol.asyncDispose]()
      throw error
    }
  }

  get program(): readonly string[] {
    return [join(this.#folder, 'dist/cli.js')]
  }

  /** Runs a verb to its end. */
  run(words: readonly string[], variables: Variables, input = ''): Promise<Ran> {
    return this.begin(words, variables, input).ended
  }

  /** Runs a verb in a process that can be killed. */
  begin(words: readonly string[], variables: Variables, input = ''): { kill(): void; ended: Promise<Ran> } {
    const child = spawn(process.execPath, [...this.program, ...words], {
      env: { ...inherited(), ...variables },
      stdio: 'pipe',
    })
    child.stdin.on('error', () => undefined) // a verb that reads nothing may have ended
    child.stdin.end(input)
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
      ([out, err]) => ({ code: child.exitCode, out, err }),
    )
    return { kill: () => child.kill('SIGKILL'), ended }
  }

  serve(variables: Variables, logLines: string[]): Promise<ChildService> {
    return ChildService.start(variables, logLines, { program: this.program })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }
}

function inherited(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TENANTRY_')))
}

async function copyTree(folder: string): Promise<void> {
  for (const part of PARTS) await cp(join(ROOT, part), join(folder, part), { recursive: true })
}

/** The packages of this tree where the lock file is the same, else those that it names. */
async function install(folder: string): Promise<void> {
  const [theirs, ours] = await Promise.all([lockedIn(folder), lockedIn(ROOT)])
  if (theirs === ours) await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  else await execute('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
}

/** What is installed, without what the package says of itself. */
async function lockedIn(folder: string): Promise<string> {
  const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string }>
  } // a parse boundary: npm's own file
  return JSON.stringify({ ...packages, '': { ...packages[''], version: undefined } })
}

async function compile(folder: string): Promise<void> {
  const tsc = join(folder, 'node_modules/.bin/tsc')
  await execute(tsc, ['-p', 'tsconfig.build.json'], { cwd: folder }).catch((error: { stdout?: string }) => {
    throw new Error(`it does not compile:\n${error.stdout}`, { cause: error })
  })
}

async function refuseShallow(): Promise<void> {
  const known = await execute('git', ['cat-file', '-e', `${BEFORE.commit}^{commit}`], { cwd: ROOT }).then(
    () => true,
    () => false,
  )
  if (!known) {
    throw new Error(
      `this clone does not hold version ${BEFORE.name} (${BEFORE.commit}): run \`git fetch --unshallow --tags\``,
    )
  }
}
