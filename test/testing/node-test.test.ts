import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { sharedPostgres } from '../support/postgres.ts'

it('createTestTenancy and assertNoLeak work in the runner of Node itself', async () => {
  const file = join(import.meta.dirname, 'under-node-test.ts')
  const { NODE_TEST_CONTEXT: _, ...variables } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...variables, SERVER_DSN: sharedPostgres().dsn() },
  })
  expect(stdout).toMatch(/^\W*pass 3$/m)
  expect(stdout).toMatch(/^\W*fail 0$/m)
}, 60_000)
