import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PartMissingError } from '../../src/errors.ts'

const execute = promisify(execFile)
const LIBRARIES = '/usr/lib'
const LINE = 'apt-get install -y --no-install-recommends libfaketime'
const INSTALL_MS = 120_000

/** Sets the wall clock of a process of its own, while it runs; its monotonic clock stays as it is. */
export class WallClock implements AsyncDisposable {
  /** What the process must be started with. */
  readonly variables: Readonly<Record<string, string>>
  readonly #folder: string
  readonly #file: string

  constructor(library: string, folder: string) {
    this.#folder = folder
    this.#file = join(folder, 'clock')
    this.variables = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** From now on it is so many seconds later, or earlier, than it is. */
  async shift(seconds: number): Promise<void> {
    await writeFile(this.#file, `${seconds < 0 ? '' : '+'}${seconds}\n`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true })
  }
}

/** @throws {PartMissingError} with the line to run, where Debian's faketime is not there and may not be installed. */
export async function wallClock(): Promise<WallClock> {
  const library = (await installed()) ?? (await install())
  const clock = new WallClock(library, await mkdtemp(join(tmpdir(), 'tenantry-clock-')))
  await clock.shift(0)
  return clock
}

async function installed(): Promise<string | undefined> {
  for (const folder of await readdir(LIBRARIES)) {
    const place = join(LIBRARIES, folder, 'faketime')
    const names = await readdir(place).catch((): string[] => [])
    if (names.includes('libfaketimeMT.so.1')) return join(place, 'libfaketimeMT.so.1')
  }
  return undefined
}

async function install(): Promise<string> {
  if (process.getuid?.() !== 0) throw new PartMissingError(`faketime is not installed; run as root: ${LINE}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await execute('sh', ['-c', `apt-get update && ${LINE}`], { env, timeout: INSTALL_MS })
  } catch (cause) {
    throw new PartMissingError(`faketime cannot be installed; run: apt-get update && ${LINE}`, { cause })
  }
  const library = await installed()
  if (library === undefined) throw new PartMissingError(`faketime is not in ${LIBRARIES} after: ${LINE}`)
  return library
}
