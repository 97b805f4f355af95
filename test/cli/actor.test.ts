import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { actorName } from '../../src/cli/actor.ts'

const CLI = resolve(import.meta.dirname, '../../src/cli.ts')

it('names the user, or his number where the machine knows no name', () => {
  expect(actorName()).toBe(userInfo().username)
  const nameless = () => {
    throw new Error('uv_os_get_passwd returned ENOENT')
  }
  expect(actorName(nameless)).toBe(`uid:${process.getuid?.()}`)
})

it('verbs on the registry run as a user without a name, as in our image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-nameless-'))
  chmodSync(folder, 0o777)
  const other = process.getuid?.() === 0 ? { uid: 54_321, gid: 54_321 } : {} // only root may become another
  const args = ['tenant', 'list', '--registry', `file:${join(folder, 'registry.yaml')}`]
  const tsx = import.meta.resolve('tsx')
  const ran = spawnSync(process.execPath, ['--import', tsx, CLI, ...args], { ...other, encoding: 'utf8' })
  rmSync(folder, { recursive: true, force: true })
  expect([ran.status, ran.stderr]).toEqual([0, ''])
})
