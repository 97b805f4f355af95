import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { randomName } from '../lifecycle/ground.ts'
import { sharedPostgres } from '../support/postgres.ts'

const FOLDER = join(import.meta.dirname, '../../examples/before-after')

// The app as it was has tests of its own, which want a database: they run here. Those of the app as it is run by themselves.
const server = sharedPostgres()
const database = randomName('before')
const variables = { ...process.env }
await server.createDatabase(database)
afterAll(async () => {
  if (variables['DATABASE_URL'] === undefined) delete process.env['DATABASE_URL']
  else process.env['DATABASE_URL'] = variables['DATABASE_URL']
  await server.dropDatabase(database)
})
process.env['DATABASE_URL'] = server.dsn(database)
await import('../../examples/before-after/before/app.test.ts')

/** Lines that were taken out or put in. */
function changesOf(file: string): string[] {
  const args = [
    'diff',
    '--no-index',
    '--unified=0',
    join(FOLDER, 'before', file),
    join(FOLDER, 'after', file),
  ]
  const { stdout } = (() => {
    try {
      return { stdout: execFileSync('git', args, { encoding: 'utf8' }) }
    } catch (error) {
      return error as { stdout: string } // there is a difference: git says so by its exit code
    }
  })()
  return stdout.split('\n').filter((line) => /^[-+](?![-+])/.test(line))
}

describe('an app with one database', () => {
  it('has one for each tenant by a change of less than 20 lines', () => {
    const changed = [...changesOf('app.ts'), ...changesOf('server.ts')]
    expect(changed.length).toBeGreaterThan(4)
    expect(changed.length).toBeLessThan(20)
  })

  it('is shown on its page as it is', () => {
    const page = readFileSync(join(FOLDER, 'README.md'), 'utf8').split('\n')
    const shown = page.filter((line) => /^[-+](?![-+])/.test(line))
    const changed = ['app.ts', 'server.ts', 'app.test.ts'].map(changesOf)
    expect(shown).toEqual(changed.flat())
    const [app = [], server = []] = changed
    expect(page.join(' ')).toContain(`the whole change, ${app.length + server.length} lines`)
  })

  it('keeps its tests as they are, but for where their database comes from', () => {
    const changed = changesOf('app.test.ts')
    expect(changed.length).toBeLessThan(15)
    expect(changed.filter((line) => /expect|\bit\(|describe|\bask\(/.test(line))).toEqual([])
  })
})
