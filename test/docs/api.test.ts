import { readFileSync } from 'node:fs'
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

/** Names that a file exports; a list may say `type` before one of them. */
function exportsOf(path: string): string[] {
  const text = read(path)
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = '']) =>
    list.split(','),
  )
  const named = lists
    .map((one) =>
      one
        .trim()
        .replace(/^type /, '')
        .replace(/^.* as /, ''),
    )
    .filter(Boolean)
  const made = text.matchAll(/^export (?:abstract |async )*(?:class|function|const|interface|type) (\w+)/gm)
  return [...named, ...[...made].map(([, name = '']) => name)]
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
    expect(unique(rowsOf(entry))).toEqual(unique(exportsOf(path)))
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
