import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEMO_TABLES } from '../../src/demo/demo-tenants.ts'
import { Terminal } from './terminal.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const TEMPLATE = join(ROOT, 'examples/projects-api')
const KEYS = ['tenantry-admin.key', 'tenantry-master.key', 'tenantry.env']
const execute = promisify(execFile)

let parent: string
beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'tenantry-init-'))
})
afterAll(() => rmSync(parent, { recursive: true }))

const init = (...args: string[]) => new Terminal().run(['init', ...args])
const read = (folder: string, path: string) => readFileSync(join(folder, path), 'utf8')

describe('tenantry init in a new folder', () => {
  it('writes keys for their owner alone, and the app of the example, as it is', async () => {
    const folder = join(parent, 'My first app')
    const ran = await init(folder)
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining(`cd ${folder}`) })
    for (const key of KEYS) expect(statSync(join(folder, key)).mode & 0o777).toBe(0o600)
    for (const path of readdirSync(TEMPLATE).filter((name) => name.includes('.', 1)))
      expect(read(folder, path)).toBe(read(TEMPLATE, path))
    const manifest = JSON.parse(read(folder, 'package.json'))
    const ours = JSON.parse(read(ROOT, 'package.json'))
    expect(manifest).toMatchObject({
      name: 'my-first-app',
      dependencies: { hono: ours.dependencies.hono, tenantry: `^${ours.version}` },
      devDependencies: { vitest: ours.devDependencies.vitest },
    })
    for (const path of ['tenantry.env', 'tenantry-master.key', '.tenantry/issuer.json', 'registry.yaml'])
      expect(read(folder, '.gitignore')).toMatch(ignoring(path))
  })

  it('calls an app otherwise than the packages it needs', async () => {
    const folder = join(parent, 'Tenantry')
    await init(folder)
    expect(JSON.parse(read(folder, 'package.json')).name).toBe('tenantry-app')
  })

  it('leaves the app out where only keys are wanted', async () => {
    const folder = join(parent, 'keys-alone')
    expect((await init(folder, '--no-app')).code).toBe(0)
    expect(readdirSync(folder).toSorted()).toEqual(KEYS)
  })

  it('makes tenants with the tables of the demo', () => {
    expect(read(TEMPLATE, 'schema.sql')).toBe(DEMO_TABLES)
  })
})

describe('tenantry init where something is', () => {
  const folderWith = (name: string, ...files: string[]) => {
    const folder = join(parent, name)
    mkdirSync(folder)
    for (const file of files) writeFileSync(join(folder, file), 'mine')
    return folder
  }

  it('adds keys and settings to a project that exists, and no app', async () => {
    const folder = folderWith('project', 'package.json')
    expect((await init(folder)).code).toBe(0)
    expect(readdirSync(folder).toSorted()).toEqual(['package.json', ...KEYS])
  })

  it('names everything that is in the way, and writes nothing', async () => {
    const folder = folderWith('taken', 'app.ts', 'package.json')
    const ran = await init(folder, '--app')
    expect(ran).toMatchObject({
      code: 2,
      err: expect.stringContaining('app.ts, package.json are there already'),
    })
    expect(readdirSync(folder).toSorted()).toEqual(['app.ts', 'package.json'])
    expect(read(folder, 'app.ts')).toBe('mine')
  })

  it('puts an app beside other files where that is asked for', async () => {
    const folder = folderWith('notes', 'NOTES.txt')
    expect((await init(folder, '--app')).code).toBe(0)
    expect(existsSync(join(folder, 'app.ts'))).toBe(true)
    expect(read(folder, 'NOTES.txt')).toBe('mine')
  })

  it('takes back what it began when it cannot end', async () => {
    const folder = folderWith('stuck')
    symlinkSync('nowhere', join(folder, 'tsconfig.json')) // not there to look at, and not to be written
    const ran = await init(folder, '--app')
    expect(ran).toMatchObject({
      code: 2,
      err: expect.stringContaining('came meanwhile and is never overwritten'),
    })
    expect(readdirSync(folder)).toEqual(['tsconfig.json'])
  })
})

describe('the app that tenantry init writes', () => {
  // Where it finds the packages. Its tests are the example's own, which this run has too.
  const folder = join(ROOT, '.cache/scaffolded')
  beforeAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await init(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('is free of errors of types', async () => {
    const ours = JSON.parse(read(ROOT, 'tsconfig.json')).compilerOptions
    const sources = Object.entries(ours.paths as Record<string, [string]>)
    const paths = Object.fromEntries(sources.map(([name, [path]]) => [name, [join(ROOT, path)]]))
    // Our source is checked along with it, and is right under this rule alone.
    const { exactOptionalPropertyTypes } = ours
    const compilerOptions = { paths, exactOptionalPropertyTypes }
    const config = { extends: './tsconfig.json', compilerOptions, include: ['*.ts'] }
    writeFileSync(join(folder, 'tsconfig.check.json'), JSON.stringify(config))
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const args = [tsc, '-p', 'tsconfig.check.json', '--listFiles']
    const { stdout } = await execute(process.execPath, args, { cwd: folder })
    expect(stdout).toContain(`${basename(folder)}/app.test.ts`)
  }, 60_000)
})

/** A line of .gitignore that holds for the path, as far as those here go. */
function ignoring(path: string): RegExp {
  const [first = ''] = path.split('/')
  const ending = first.replace(/^.*(?=\.\w+$)/, '\\*')
  return new RegExp(`^(${first}/?|${ending}|${first}\\*)$`, 'm')
}
