import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { PartMissingError } from '../../src/errors.ts'

const execute = promisify(execFile)
const CACHE = resolve(import.meta.dirname, '../../.cache')
/** The last Debian suite with a Consul under a free licence. */
const SUITE = 'bullseye'
const FETCH_MS = 180_000

/**
 * Debian's Consul 1.8.7: the machine's own, or fetched with apt from the mirror that the machine is configured for
 * and unpacked under `.cache/`. Nothing of the system is changed, and root is not needed.
 * @throws {PartMissingError} with the line to run where that is impossible.
 */
export async function consulBinary(): Promise<string> {
  const path = join(CACHE, 'consul', 'usr', 'bin', 'consul')
  if (await exists(path)) return path
  await mkdir(CACHE, { recursive: true })
  const folder = await mkdtemp(join(CACHE, 'consul-'))
  try {
    await fetchPackage(folder)
    await rename(join(folder, 'tree'), join(CACHE, 'consul')).catch(async (error: unknown) => {
      if (!(await exists(path))) throw error // else: another run was faster
    })
  } catch (cause) {
    const how = `add the suite ${SUITE} of your Debian mirror to the sources and run: apt-get install -y consul`
    const found = await installed()
    if (found) return found
    throw new PartMissingError(`Consul cannot be fetched with apt; ${how}`, { cause })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return path
}

async function fetchPackage(folder: string): Promise<void> {
  const sources = join(folder, 'sources.list')
  for (const name of ['lists/partial', 'cache/archives/partial', 'tree']) {
    await mkdir(join(folder, name), { recursive: true })
  }
  const options = [
    ['Dir::State', folder],
    ['Dir::State::lists', join(folder, 'lists')],
    ['Dir::State::status', '/var/lib/dpkg/status'],
    ['Dir::Cache', join(folder, 'cache')],
    ['Acquire::Languages', 'none'],
    ['APT::Sandbox::User', 'root'], // the folder is ours: apt's own user could not write into it
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const own = [...options, '-o', `Dir::Etc::sourcelist=${sources}`, '-o', 'Dir::Etc::sourceparts=-']
  const apt = (args: string[]) => execute('apt-get', args, { cwd: folder, timeout: FETCH_MS })

  const { stdout } = await apt([...options, 'update', '--print-uris'])
  await writeFile(sources, `deb ${await mirrorIn(stdout)} ${SUITE} main\n`)
  await apt([...own, '-q', 'update'])
  await apt([...own, '-q', 'download', 'consul'])
  const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'))
  if (archive === undefined) throw new PartMissingError('apt-get download consul brought no package')
  await execute('dpkg', ['-x', join(folder, archive), join(folder, 'tree')])
}

/** The one that holds the machine's own suite; security updates come from elsewhere. */
async function mirrorIn(uris: string): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8')
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] ?? ''
  const mirror = new RegExp(`^'(\\S+)/dists/${codename}/`, 'm').exec(uris)?.[1]
  if (!codename || mirror === undefined)
    throw new PartMissingError('no Debian mirror is configured on this machine')
  return mirror
}

async function installed(): Promise<string | undefined> {
  const paths = ['/usr/bin/consul', '/usr/local/bin/consul']
  for (const path of paths) if (await exists(path)) return path
  return undefined
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
