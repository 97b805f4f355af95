import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const manifest: Record<
  'dependencies' | 'devDependencies' | 'peerDependencies',
  Record<string, string>
> = JSON.parse(read('package.json'))
const [, atRunTime = '', forDevelopment = '', besideIt = ''] = read('docs/dependencies.md').split(/^## .+$/m)

/** The packages named in the first cell of each row. */
function named(section: string): string[] {
  const cells = [...section.matchAll(/^\| (`.+?`) \|/gm)].map(([, cell = '']) => cell)
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)).toSorted()
}

describe('the list of dependencies', () => {
  it('gives a reason for each that is installed with the package', () => {
    expect(named(atRunTime)).toEqual(Object.keys(manifest.dependencies).toSorted())
  })

  it('gives a reason for each that development needs', () => {
    expect(named(forDevelopment)).toEqual(Object.keys(manifest.devDependencies).toSorted())
  })

  it('gives a reason for each that an application may bring', () => {
    expect(named(besideIt)).toEqual(Object.keys(manifest.peerDependencies).toSorted())
  })

  it('pins the driver whose internals we use to one version', () => {
    expect(manifest.dependencies['postgres']).toMatch(/^\d+\.\d+\.\d+$/)
    expect(atRunTime).toContain(`exactly ${manifest.dependencies['postgres']}`)
  })
})
