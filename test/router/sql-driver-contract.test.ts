import { describe, expect, it, vi } from 'vitest'
import {
  Builder,
  Identifier,
  Parameter,
  PostgresError,
  Query,
  type QueryInternals,
} from '../../src/connection/driver.ts'
import { DriverQuery } from '../../src/connection/driver-query.ts'

const spy = () => vi.fn<(query: QueryInternals) => void>()

/** What the handles rely on inside of postgres.js 3.4.9, beside what the connection does. */
const query = (handler = spy(), canceller: ((query: QueryInternals) => void) | null = spy()) =>
  new DriverQuery(['select 1'], [], handler, canceller, {})

describe('a query of the driver', () => {
  it('is one for the driver itself', () => {
    expect(query()).toBeInstanceOf(Query)
  })

  it('is handed to its handler once, a microtask after the first who asks for its result', async () => {
    const handler = spy()
    const lazy = query(handler)
    await Promise.resolve()
    expect(handler).not.toHaveBeenCalled()
    void lazy.then(() => {})
    void lazy.catch(() => {})
    void lazy.execute()
    expect(handler).not.toHaveBeenCalled()
    await Promise.resolve()
    expect(handler.mock.calls).toEqual([[lazy]])
  })

  it('calls its canceller once, with itself, whether it ran or not', () => {
    const canceller = spy()
    const lazy = query(spy(), canceller)
    lazy.cancel()
    lazy.cancel()
    expect(canceller.mock.calls).toEqual([[lazy]])
  })

  it('is settled by its resolve and reject fields, once', async () => {
    const [good, bad] = [query(), query()]
    good.resolve('first')
    good.reject(new Error('late'))
    bad.reject(new Error('first'))
    expect(await good).toBe('first')
    await expect(bad).rejects.toThrow('first')
  })

  it('says by its fields what was asked of it', async () => {
    const copy = query()
    const reading = copy.readable()
    copy.resolve('stream')
    await reading
    expect([copy.streaming, copy.options.simple, copy.options.prepare]).toEqual([true, true, false])
    const described = query().describe()
    expect([described.onlyDescribe, described.options.prepare]).toEqual([true, true])
    expect([query().values().isRaw, query().raw().isRaw]).toEqual(['values', true])
  })

  it('runs its text from the strings it has when it is sent, and knows a template by its raw strings', () => {
    const template = Object.assign(['select ', ''], { raw: ['select ', ''] })
    expect(new DriverQuery(template, [1], spy(), null).tagged).toBe(true)
    const file = new DriverQuery([], [], spy(), null)
    file.strings = ['select 2']
    expect([file.tagged, file.strings]).toEqual([false, ['select 2']])
  })
})

describe('the helpers of the driver', () => {
  it('are made from what the tag is called with', () => {
    expect(new Identifier('a."b')).toMatchObject({ value: '"a"."""b"' })
    expect(new Builder({ a: 1 }, ['a'])).toMatchObject({ first: { a: 1 }, rest: ['a'] })
    expect(new Parameter([1], 23, { 23: 1007 })).toMatchObject({ value: [1], type: 23, array: { 23: 1007 } })
  })

  it('refuse to be awaited', () => {
    for (const helper of [new Identifier('a'), new Builder({}, []), new Parameter(1, 23)]) {
      expect(() => Reflect.get(helper, 'then').call(helper)).toThrow('NOT_TAGGED_CALL')
    }
  })

  it('make errors that carry the fields of the server', () => {
    const error = Reflect.construct(PostgresError, [{ message: 'm', code: '25P02' }])
    expect([error.name, error.message, error.code]).toEqual(['PostgresError', 'm', '25P02'])
  })
})
