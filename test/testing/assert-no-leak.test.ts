import { AssertionError } from 'node:assert'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  assertNoLeak,
  createTestTenancy,
  type LeakTest,
  type TestedApp,
  type TestTenancy,
} from '../../src/testing/test-tenancy.ts'
import { sharedPostgres } from '../support/postgres.ts'
import {
  ambientApp,
  cachingApp,
  firstHandleApp,
  headerApp,
  NOTES,
  sharedVariableApp,
  soundApp,
} from './leaking-apps.ts'

let tenancy: TestTenancy
beforeAll(async () => {
  const server = sharedPostgres().dsn()
  tenancy = await createTestTenancy({ server, schema: NOTES, tenants: ['acme', 'globex'] })
})
beforeEach(() => tenancy.reset())
afterAll(() => tenancy.close())

const notes: LeakTest = {
  as: (tenant) => ({ 'x-tenant': tenant }),
  write: (marker) => ({ path: '/notes', json: { body: marker } }),
  read: ['/notes'],
}

/** What it says of the app. */
async function leakOf(app: TestedApp, test: Partial<LeakTest> = {}): Promise<string> {
  const error = await assertNoLeak(app, { tenancy, ...notes, ...test }).then(
    () => new Error('it found nothing'),
    (thrown: Error) => thrown,
  )
  expect(error).toBeInstanceOf(AssertionError)
  return error.message
}

describe('assertNoLeak', () => {
  it.each([
    ['a handle for each tenant', soundApp],
    ['the handle of the ambient tenant', ambientApp],
  ])('takes an app that works with %s', async (_, appOf) => {
    await expect(assertNoLeak(appOf(tenancy.router), { tenancy, ...notes })).resolves.toBeUndefined()
  })

  it('tells of an answer that was kept for everyone, and that the databases are apart', async () => {
    const message = await leakOf(cachingApp(tenancy.router))
    expect(message).toMatch(/GET \/notes as globex showed what acme had stored, \d+ times: leak/)
    expect(message).toContain('a cache whose key has no tenant')
    expect(message).not.toContain('only while both')
  })

  it('tells of rows that went into the wrong database, and into which table', async () => {
    const message = await leakOf(firstHandleApp(tenancy.router))
    expect(message).toMatch(/table public\.notes in the database of acme holds what globex stored, \d+ times/)
    expect(message).toMatch(/GET \/notes as acme showed what globex had stored/)
    expect(message).toContain('a handle of one tenant was used for another')
  })

  it('tells of a leak that shows only while requests of both are under way', async () => {
    const message = await leakOf(sharedVariableApp(tenancy.router))
    expect(message).toMatch(/in the database of \w+ holds what \w+ stored/)
    expect(message).toContain('a variable of the module that one request sets and another reads')
  })

  it('tells of a leak in a header', async () => {
    expect(await leakOf(headerApp(tenancy.router))).toMatch(/GET \/notes as \w+ showed what \w+ had stored/)
  })

  it('needs no look into the databases to see a leak', async () => {
    const { tenancy: _, ...outside } = { tenancy, ...notes }
    const test = { ...outside, tenants: ['acme', 'globex'] } as const
    await expect(assertNoLeak(soundApp(tenancy.router), test)).resolves.toBeUndefined()
    await expect(assertNoLeak(firstHandleApp(tenancy.router), test)).rejects.toThrow(
      'showed what globex had stored',
    )
  })

  it('refuses a test that could see no leak', async () => {
    const app = soundApp(tenancy.router)
    expect(await leakOf(app, { read: [] })).toContain('this test would see no leak')
    expect(await leakOf(app, { tenants: ['acme', 'acme'] })).toContain('name two in `tenants`')
    expect(await leakOf(app, { read: ['/broken'] })).toMatch(/GET \/broken as acme answered 500/)
  })
})
