import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ROOT, readYaml, textAt, type Yaml, yamlFiles } from './manifests.ts'

/**
 * `kubernetes-types` is made from the OpenAPI document of Kubernetes 1.30. The compiler holds each manifest
 * against it as a literal, so that a field that does not exist, is missing or has the wrong type is a fault.
 */
const MODULES: Record<string, string> = {
  v1: 'kubernetes-types/core/v1.js',
  'apps/v1': 'kubernetes-types/apps/v1.js',
  'policy/v1': 'kubernetes-types/policy/v1.js',
  'networking.k8s.io/v1': 'kubernetes-types/networking/v1.js',
}
const cache = join(ROOT, 'node_modules/.cache')
mkdirSync(cache, { recursive: true })
const folder = mkdtempSync(join(cache, 'manifests-'))
afterAll(() => rmSync(folder, { recursive: true }))

const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
const FLAGS = [
  '--ignoreConfig',
  '--noEmit',
  '--skipLibCheck',
  '--strict',
  '--module',
  'nodenext',
  '--target',
  'es2022',
  '--types',
  'node',
]

/** What the compiler says of the manifests, by name; nothing when each is what its kind allows. */
function faultsOf(manifests: Record<string, Yaml>): string {
  const files = Object.entries(manifests).map(([name, manifest]) => {
    const module = MODULES[textAt(manifest, 'apiVersion')]
    if (!module) throw new Error(`${name}: no schema for ${textAt(manifest, 'apiVersion')}`)
    const kind = textAt(manifest, 'kind')
    const path = join(folder, `${name}.mts`)
    const literal = JSON.stringify(manifest, null, 2)
    writeFileSync(
      path,
      `import type { ${kind} } from '${module}'\nexport const manifest: ${kind} = ${literal}\n`,
    )
    return path
  })
  const run = spawnSync(process.execPath, [compiler, ...FLAGS, ...files], { encoding: 'utf8', cwd: folder })
  return run.stdout + run.stderr
}

describe('the Kubernetes manifests', () => {
  it('are what the schema of their kind allows, field by field', () => {
    const all: Record<string, Yaml> = {}
    for (const file of yamlFiles('k8s').filter((name) => name !== 'kustomization.yaml')) {
      for (const [index, manifest] of readYaml(`k8s/${file}`).entries()) all[`${file}-${index}`] = manifest
    }
    expect(Object.keys(all).length).toBeGreaterThanOrEqual(10)
    expect(faultsOf(all)).toBe('')
  }, 60_000)

  it('would not pass with a misspelt field or a number for a text', () => {
    const [deployment] = readYaml('k8s/deployment.yaml')
    const misspelt = JSON.parse(JSON.stringify(deployment).replace('"readinessProbe"', '"readynessProbe"'))
    const [config] = readYaml('k8s/config-map.yaml')
    const number = JSON.parse(JSON.stringify(config).replace('"3000"', '3000'))
    const faults = faultsOf({ misspelt, number })
    expect(faults).toMatch(/misspelt\.mts.*'?"?readynessProbe/)
    expect(faults).toMatch(/number\.mts.*'number' is not assignable to type 'string'/)
  }, 60_000)
})
