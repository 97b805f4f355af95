import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HandleTypes } from '../../src/router/sql/handle-types.ts'
import { Ground } from './sql-ground.ts'

let ground: Ground
beforeAll(async () => {
  ground = await Ground.open(1)
})
afterAll(async () => await ground[Symbol.asyncDispose]())

const [NUMERIC, TIMESTAMPTZ, JSONB] = [1700, 1184, 3802]

describe('the types of a handle', () => {
  it('are its own: another handle on the same connection sees none of them', async () => {
    const [plain, exact] = [ground.sql(), ground.sql()]
    exact.options.parsers[TIMESTAMPTZ] = (text: string) => `at ${text}`
    for (let round = 0; round < 3; round++) {
      const [a] = await plain`select ${'2026-01-01 00:00:00.123456+00'}::text::timestamptz as at`
      const [b] = await exact`select ${'2026-01-01 00:00:00.123456+00'}::text::timestamptz as at`
      expect(a?.['at']).toEqual(new Date('2026-01-01T00:00:00.123Z'))
      expect(b?.['at']).toBe('at 2026-01-01 00:00:00.123456+00')
    }
  })

  it('hold for the statements that come after they were written, also for prepared ones', async () => {
    const sql = ground.sql()
    const read = async () => (await sql`select ${'1.50'}::numeric as n`)[0]?.['n']
    expect(await read()).toBe('1.50')
    sql.options.parsers[NUMERIC] = Number
    expect(await read()).toBe(1.5)
    sql.options.parsers[NUMERIC] = (text: string) => text.length
    expect(await read()).toBe(4)
  })

  it('go into arrays of them', async () => {
    const sql = ground.sql()
    sql.options.parsers[NUMERIC] = Number
    expect(await sql`select '{1.5,NULL,2}'::numeric[] as list`).toEqual([{ list: [1.5, null, 2] }])
  })

  it('write parameters too', async () => {
    const [plain, own] = [ground.sql(), ground.sql()]
    own.options.serializers[JSONB] = (value: unknown) => JSON.stringify({ wrapped: value })
    expect(await plain`select ${plain.json({ a: 1 })} as v`).toEqual([{ v: { a: 1 } }])
    expect(await own`select ${own.json({ a: 1 })} as v`).toEqual([{ v: { wrapped: { a: 1 } } }])
  })

  it('are shared with its transactions and reservations', async () => {
    const sql = ground.sql()
    sql.options.parsers[NUMERIC] = Number
    expect(await sql.begin((own) => own`select 1.5 as n`)).toEqual([{ n: 1.5 }])
    const reserved = await sql.reserve()
    expect(await reserved`select 1.5 as n`).toEqual([{ n: 1.5 }])
    reserved.release()
  })

  it('cannot be exchanged for others behind our back', () => {
    const { options } = ground.sql()
    expect(() => Object.assign(options, { parsers: {} })).toThrow(TypeError)
  })

  it('share their texts when nothing was written, and have their own otherwise', () => {
    const [a, b, c] = [new HandleTypes(), new HandleTypes(), new HandleTypes()]
    b.parsers[NUMERIC] = Number
    c.serializers[NUMERIC] = String
    expect(a.profile().blanks).toBe(0)
    expect(new Set([a, b, c].map((types) => types.profile().blanks)).size).toBe(3)
    expect(b.profile()).toBe(b.profile())
    delete b.parsers[NUMERIC]
    expect(b.profile().parsers[NUMERIC]).toBeUndefined()
  })

  it('stop growing the texts when handles with types of their own are made without end', async () => {
    const many = Array.from({ length: 200 }, () => {
      const types = new HandleTypes()
      types.serializers[NUMERIC] = String
      return types
    })
    expect(Math.max(...many.map((types) => types.profile().blanks))).toBeLessThan(100)
    expect(many.at(-1)?.maySavePlans).toBe(false)
    const [one, two] = [ground.sql(), ground.sql()]
    one.options.parsers[NUMERIC] = Number
    two.options.parsers[NUMERIC] = (text: string) => `${text}!`
    for (let round = 0; round < 2; round++) {
      expect(await one`select ${'1.5'}::numeric as n`).toEqual([{ n: 1.5 }])
      expect(await two`select ${'1.5'}::numeric as n`).toEqual([{ n: '1.5!' }])
    }
  })
})
