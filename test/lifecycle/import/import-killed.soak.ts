import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it, vi } from 'vitest'
import { FileRegistry } from '../../../src/registry/file/file-registry.ts'
import { Terminal } from '../../cli/terminal.ts'
import { Fleet, tenantsOf } from './fleet.ts'

const CLI = resolve(import.meta.dirname, '../../../src/cli.ts')
const SIZE = 160
const BATCH = 50

it('a list is imported whole, each tenant once, by processes of which all but the last are killed', async () => {
  await using fleet = await Fleet.start(18, { size: SIZE, databases: 6 })
  const folder = join(fleet.ground.folder, 'killed')
  const terminal = new Terminal()
  await terminal.run(['init', folder])
  const list = join(folder, 'tenants.csv')
  writeFileSync(
    list,
    fleet.csv('shared,hostnames', ({ id }) => `true,${id}.example.com`),
  )
  await using registry = await FileRegistry.open(join(folder, 'registry.yaml'))
  const count = async () => (await tenantsOf({ registry })).length
  const begin = () => {
    const args = ['--import', import.meta.resolve('tsx'), CLI, 'tenant', 'import', list]
    const child = spawn(process.execPath, [...args, '--env-file', join(folder, 'tenantry.env')])
    const said = Promise.all([text(child.stdout), text(child.stderr)])
    return { child, said, exit: once(child, 'exit') }
  }
  let kills = 0
  for (let kept = 0; kept + BATCH < SIZE; kept = await count()) {
    const { child, said, exit } = begin()
    const before = kept
    await vi.waitFor(async () => expect(await count()).toBeGreaterThan(before + 1), {
      timeout: 60_000,
      interval: 20,
    })
    child.kill('SIGKILL')
    await exit
    kills += 1
    expect((await said).join('')).not.toContain(fleet.password)
  }
  const { said, exit } = begin()
  expect(await exit).toEqual([0, null])
  const [out, err] = await said
  process.stdout.write(`import: killed ${kills} times, then: ${out}${err}`)
  expect(kills).toBeGreaterThan(1)
  const tenants = await tenantsOf({ registry })
  expect(tenants.map(({ id }) => id)).toEqual(fleet.members.map(({ id }) => id))
  expect((await registry.list('alias', undefined, { limit: 1000 })).entries).toHaveLength(SIZE)
  expect(tenants.every(({ identity, status }) => identity?.kind === 'pin' && status === 'active')).toBe(true)
})
