import { DockerfileParser, type Instruction } from 'dockerfile-ast'
import { describe, expect, it } from 'vitest'
import { readServiceSettings } from '../../src/config.ts'
import { readText } from './manifests.ts'

const instructions = DockerfileParser.parse(readText('Dockerfile')).getInstructions()
const lastFrom = instructions.findLastIndex((instruction) => instruction.getKeyword() === 'FROM')
const build = instructions.slice(0, lastFrom)
const final = instructions.slice(lastFrom)

const all = (stage: Instruction[], keyword: string) =>
  stage
    .filter((one) => one.getKeyword() === keyword)
    .map((one) => one.getTextContent().slice(keyword.length).trim())

/** `ENV a=1 b=2` of a stage. */
function environment(stage: Instruction[]): Record<string, string> {
  const pairs = all(stage, 'ENV').flatMap((content) => [...content.matchAll(/([A-Z_]+)=(\S+)/g)])
  return Object.fromEntries(pairs.map(([, name, value]) => [name, value]))
}

describe('the image', () => {
  it('is built in one stage and runs in another, both on the Node that is promised', () => {
    expect(all(instructions, 'FROM')).toEqual(['node:22-slim AS build', 'node:22-slim'])
  })

  it('runs as a user with a number that is not 0', () => {
    const users = all(final, 'USER')
    expect(users).toHaveLength(1)
    expect(users[0]).toMatch(/^[1-9]\d*:[1-9]\d*$/)
  })

  it('takes no dev dependency and no source into the final stage', () => {
    expect(all(build, 'RUN').join('\n')).toMatch(/npm ci --ignore-scripts[\s\S]*npm prune --omit=dev/)
    expect(all(final, 'RUN')).toEqual([])
    const sources = all(final, 'COPY').map((content) => content.replace(/\s+\S+$/, ''))
    expect(sources).toEqual([
      '--from=build /app/package.json',
      '--from=build /app/node_modules',
      '--from=build /app/dist',
      'registry',
    ])
  })

  it('starts node itself, so that SIGTERM reaches it', () => {
    expect(all(final, 'ENTRYPOINT')).toEqual(['["node", "dist/cli.js"]'])
    expect(all(final, 'CMD')).toEqual(['["serve"]'])
  })

  it('listens on every address, with settings that the service accepts, on the ports it exposes', () => {
    const { NODE_ENV, ...settings } = environment(final)
    expect(NODE_ENV).toBe('production')
    const key = `k1:${Buffer.alloc(32).toString('base64')}`
    const secrets = { TENANTRY_REGISTRY_URL: 'file:/data/registry.yaml', TENANTRY_MASTER_KEY: key }
    const { host, opsHost, port, opsPort } = readServiceSettings({ ...settings, ...secrets })
    expect([host, opsHost]).toEqual(['0.0.0.0', '0.0.0.0'])
    expect(all(final, 'EXPOSE')).toEqual([`${port} ${opsPort}`])
  })

  it('asks its own liveness, on the operator port that is set', () => {
    const [check] = all(final, 'HEALTHCHECK')
    const command: unknown = JSON.parse(check?.slice(check.indexOf('[')) ?? '')
    expect(command).toEqual(['node', '-e', expect.stringContaining('TENANTRY_OPS_PORT || 3001}/livez')])
  })

  it('holds no secret', () => {
    expect(readText('Dockerfile')).not.toMatch(/MASTER_KEY|PASSWORD|:\/\/[^\s/]*:[^\s/]*@/)
  })
})

describe('the build context', () => {
  it('holds what the image copies from it and nothing else', () => {
    const lines = readText('.dockerignore')
      .split('\n')
      .filter((line) => line && !line.startsWith('#'))
    const copied = [...all(build, 'COPY'), ...all(final, 'COPY')]
      .filter((content) => !content.startsWith('--from'))
      .flatMap((content) => content.split(/\s+/).slice(0, -1))
    expect(lines[0]).toBe('*')
    expect(new Set(lines.slice(1))).toEqual(new Set(copied.map((path) => `!${path}`)))
  })
})
