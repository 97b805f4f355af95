import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { describe, expect, it } from 'vitest'
import { AppRouter } from '../../src/router/app-router.ts'
import { Lease } from '../../src/router/lease.ts'
import { TenantRouter } from '../../src/router/tenant-router.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const manifest: { readonly exports: Record<string, string | { readonly types: string }> } = JSON.parse(
  read('package.json'),
)
const page = read('docs/api.md')

/** What is imported → the source behind it. */
const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === 'string'
    ? []
    : [
        [
          subpath.replace('.', 'tenantry'),
          target.types.replace('dist', 'src').replace('.d.ts', '.ts'),
        ] as const,
      ],
)

/** What an entry file exports: each name, and the file that makes it. A list may say `type` before a name. */
function exportsOf(path: string): { readonly name: string; readonly file: string }[] {
  const text = read(path)
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '(.+)'$/gm)].flatMap(
    ([, list = '', from = '']) => {
      const names = list.split(',').map((one) => one.trim().replace(/^type /, ''))
      return names.filter(Boolean).map((name) => ({ name, file: join(dirname(path), from) }))
    },
  )
  const made = text.matchAll(/^export (?:abstract |async )*(?:class|function|const|interface|type) (\w+)/gm)
  return [...lists, ...[...made].map(([, name = '']) => ({ name, file: path }))]
}

/** Whether its declaration, or one of two of the same name, follows a comment of its own. */
function isDocumented({ name, file }: { readonly name: string; readonly file: string }): boolean {
  const declaration = String.raw`\*/\nexport (?:abstract |async )*(?:class|function|const|interface|type) ${name}\b`
  return new RegExp(declaration).test(read(file))
}

/** Of the section about an entry: every name in the first cells of its rows. */
function rowsOf(entry: string): string[] {
  const [, section = ''] = page.split(`\n## \`${entry}\`\n`)
  const [own = ''] = section.split('\n## ')
  const cells = [...own.matchAll(/^\| (`.+?) \| .+ \|$/gm)].map(([, cell = '']) => cell.split(' → ')[0] ?? '')
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)/g)].map(([, name = '']) => name))
}

const unique = (names: readonly string[]) => [...new Set(names)].toSorted()

describe('the page of names', () => {
  it.each(entries)('has every export of %s, and no other', (entry, path) => {
    expect(rowsOf(entry)).toEqual([...new Set(rowsOf(entry))])
    expect(unique(rowsOf(entry))).toEqual(unique(exportsOf(path).map(({ name }) => name)))
  })

  it.each(entries)('has in the code of %s what it says in short', (_, path) => {
    expect(exportsOf(path).filter((one) => !isDocumented(one))).toEqual([])
  })

  it('has a section for each entry point of the package, and no other', () => {
    const sections = [...page.matchAll(/^## `(.+)`$/gm)].map(([, name = '']) => name)
    expect(sections.toSorted()).toEqual(entries.map(([entry]) => entry).toSorted())
  })

  it.each([
    ['router', [TenantRouter, AppRouter]],
    ['lease', [Lease]],
  ] as const)('names whatever a %s can do', (word, classes) => {
    const members = classes.flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype))
    const named = new Set([...page.matchAll(new RegExp(`\`${word}\\.(\\w+)`, 'g'))].map(([, name]) => name))
    expect(members.filter((name) => name !== 'constructor' && !named.has(name))).toEqual([])
  })
})
