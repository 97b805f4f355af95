import { bigint, integer, jsonb, numeric, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

/** One table whose every row follows from its number, so that an answer can be checked by value and type. */
export const ITEMS = 60
export const SCHEMA = `
  create table items (id int primary key, name text, data jsonb, at timestamptz(6), price numeric, views int8, tags text[]);
  insert into items
    select n, 'item ' || n, jsonb_build_object('n', n, 'list', jsonb_build_array(n, 'x')),
      timestamptz '2026-01-01 00:00:00.000123+00' + n * interval '1 hour', n + 0.25, 9007199254740993 + n,
      array['t' || n, 'a "q"', 'b,c'] from generate_series(1, ${ITEMS}) n;
  create table accounts (id int primary key, balance int not null check (balance >= 0));
  insert into accounts select n, 1000 from generate_series(1, 20) n`

export const items = pgTable('items', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  data: jsonb('data').notNull(),
  at: timestamp('at', { withTimezone: true, precision: 6, mode: 'string' }).notNull(),
  price: numeric('price').notNull(),
  views: bigint('views', { mode: 'bigint' }).notNull(),
  tags: text('tags').array().notNull(),
})

const hour = (n: number) => new Date(Date.UTC(2026, 0, 1, n)).toISOString().slice(0, 19)
const shared = (n: number) => ({
  id: n,
  name: `item ${n}`,
  data: { n, list: [n, 'x'] },
  price: `${n}.25`,
  tags: [`t${n}`, 'a "q"', 'b,c'],
})

/** As postgres.js gives it, and Kysely over it. */
export const plainItem = (n: number) => ({
  ...shared(n),
  at: new Date(`${hour(n)}.000Z`),
  views: String(9_007_199_254_740_993n + BigInt(n)),
})

/** As Drizzle gives it: microseconds kept, big integers as such. */
export const drizzleItem = (n: number) => ({
  ...shared(n),
  at: `${hour(n).replace('T', ' ')}.000123+00`,
  views: 9_007_199_254_740_993n + BigInt(n),
})

/** As a handle gives it that reads numeric as a number. */
export const numberItem = (n: number) => ({ ...plainItem(n), price: n + 0.25 })

/** Repeatable: a run that fails can be run again. */
export function seededRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
