import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ALLOWED } from '../../src/config.ts'
import { startServiceWorld } from '../http/service-world.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const pages = ['README.md', 'SECURITY.md', 'CHANGELOG.md', 'registry/README.md']
pages.push(...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`))
const textOf = (page: string) => readFileSync(join(ROOT, page), 'utf8')

/** As a heading's link on a page of Markdown. */
function anchorsOf(page: string): string[] {
  const headings = [...textOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(/\s/g, '-'),
  )
}

describe('every page', () => {
  it.each(pages)('%s leads only to what exists', (page) => {
    const targets = [...textOf(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, target = '']) => target)
    const broken = targets.filter((target) => {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      return !existsSync(join(ROOT, file)) || (anchor !== undefined && !anchorsOf(file).includes(anchor))
    })
    expect(broken).toEqual([])
  })

  it.each(pages)('%s names only settings that are read', (page) => {
    const settings = [...textOf(page).matchAll(/TENANTRY_[A-Z_]*[A-Z]/g)].map(([name]) => name)
    expect(settings.filter((name) => !ALLOWED.has(name))).toEqual([])
  })
})

describe('the page about operations', () => {
  it('names only metrics that the service has', async () => {
    await using world = await startServiceWorld()
    const { text } = await world.operate('/metrics')
    const metrics = [...textOf('docs/operations.md').matchAll(/`(tenantry_[a-z_]+)/g)]
    const named = metrics.map(([, name = '']) => name)
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((name) => !text.includes(`# TYPE ${name} `))).toEqual([])
  })
})
