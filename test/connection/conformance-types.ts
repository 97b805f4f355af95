import { describe, expect, it } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { openGate } from './gate.ts'
import type { PortUnderTest } from './port-under-test.ts'

const OWN = `
  create type mood as enum ('sad', 'ok, "fine"', 'NULL');
  create domain age as int check (value > 0);
  create domain years as age;
  create domain document as jsonb;
  create domain numbers as int[];
  create domain moods as mood[];
  create type pair as (a int, b text);
  create table people (feelings mood[], ages age[], spans years[][], documents document[],
    pairs pair[], lists numbers[], groups moods[], plain int[], feeling mood, age years);
  insert into people values (
    array['sad', 'ok, "fine"', 'NULL', null]::mood[], '{1,2}', '{{1,2},{3,4}}', array['{"n": 1}']::document[],
    array[(1, 'x, y')]::pair[], array['{1,2}', '{3}']::numbers[], array['{sad}', '{NULL,"NULL"}']::moods[],
    '{5}', 'sad', 7)`

const PERSON = {
  feelings: ['sad', 'ok, "fine"', 'NULL', null],
  ages: [1, 2],
  spans: [
    [1, 2],
    [3, 4],
  ],
  documents: [{ n: 1 }],
  pairs: ['(1,"x, y")'],
  lists: [[1, 2], [3]],
  groups: [['sad'], [null, 'NULL']],
  plain: [5],
  feeling: 'sad',
  age: 7,
}

export function describeTypes(port: PortUnderTest): void {
  const make = (connection: Connection, text: string) => connection.run({ text, multiple: true })

  describe('types that only the database knows', () => {
    it('are read as arrays, by what their elements come down to', async () => {
      await make(port.shared, OWN)
      for (const prepare of [true, false]) {
        const { rows, command, rowCount } = await port.shared.run({ text: 'select * from people', prepare })
        expect(rows).toEqual([PERSON])
        expect([command, rowCount]).toEqual(['SELECT', 1])
      }
      const { rows } = await port.shared.run({ text: 'select * from people', rowMode: 'array' })
      expect(rows).toEqual([Object.values(PERSON)])
      const several = await port.shared.run({ text: 'select 1; select * from people', multiple: true })
      expect(several.rows).toEqual([PERSON])
    })

    it('are asked for once, and never for built-in ones', async () => {
      await using gate = await openGate(port.ground.target)
      const own = await port.open({ port: gate.port })
      const asks = async (text: string) => {
        const before = gate.readies
        await own.run({ text, prepare: false })
        return gate.readies - before
      }
      expect(await asks('select 1, array[1], now(), null::text[], feeling, age from people')).toBe(1)
      expect(await asks('select feelings from people')).toBe(2)
      expect(await asks('select feelings from people')).toBe(1)
      expect(await asks('select feelings, ages from people')).toBe(2)
      expect(await asks('select feelings, ages from people')).toBe(1)
    })

    it('are known to connections of one key, and to no other', async () => {
      await using gate = await openGate(port.ground.target)
      const asks = async (typesKey?: string) => {
        const own = await port.open({ port: gate.port, ...(typesKey ? { typesKey } : {}) })
        const before = gate.readies
        const { rows } = await own.run({ text: 'select feelings from people' })
        expect(rows).toEqual([{ feelings: PERSON.feelings }])
        return gate.readies - before
      }
      const key = port.ground.target.database
      expect([await asks(key), await asks(key), await asks(`${key}.2`), await asks(), await asks()]).toEqual([
        2, 1, 2, 2, 2,
      ])
    })

    it('are asked for again after a type was changed', async () => {
      const own = await port.open()
      const ask = async () => (await own.run({ text: 'select xs from changing' })).rows
      await make(
        own,
        "create type later as enum ('x'); create table changing (xs later[]); insert into changing values ('{x}')",
      )
      expect(await ask()).toEqual([{ xs: ['x'] }])
      await make(own, 'drop table changing; drop type later; create domain later as int')
      await make(own, "create table changing (xs later[]); insert into changing values ('{1}')")
      expect(await ask()).toEqual([{ xs: [1] }])
    })

    it('are read in a transaction, which goes on as it was', async () => {
      const own = await port.open()
      await own.run({ text: 'begin' })
      expect((await own.run({ text: 'select feelings from people' })).rows).toEqual([
        { feelings: PERSON.feelings },
      ])
      expect(own.transaction).toBe('open')
      await own.run({ text: 'commit' })
    })

    it('are no less known after a transaction that cannot see them, since they are younger', async () => {
      const typesKey = `${port.ground.target.database} younger`
      const [own, other] = [await port.open({ typesKey }), await port.open({ typesKey })]
      const ask = async () => (await own.run({ text: "select '{x}'::younger[] as xs" })).rows
      await make(own, 'begin isolation level repeatable read; select count(*) from people')
      await make(other, "create type younger as enum ('x')")
      expect(await ask()).toEqual([{ xs: '{x}' }])
      expect(own.transaction).toBe('open')
      await own.run({ text: 'commit' })
      expect(await ask()).toEqual([{ xs: ['x'] }])
    })

    it('that begin as an array does are asked for once, in transactions too', async () => {
      await using gate = await openGate(port.ground.target)
      const own = await port.open({ port: gate.port })
      await make(own, "create type braces as enum ('{x}'); begin")
      const asks = async () => {
        const before = gate.readies
        expect((await own.run({ text: "select '{x}'::braces as x" })).rows).toEqual([{ x: '{x}' }])
        return gate.readies - before
      }
      expect([await asks(), await asks()]).toEqual([3, 1])
      await own.run({ text: 'rollback' })
    })

    it('stay text in a transaction that may not ask, which goes on as it was', async () => {
      await port.ground.server.execute(
        'revoke select on pg_catalog.pg_type from public',
        port.ground.target.database,
      )
      const own = await port.open()
      await own.run({ text: 'begin' })
      await own.run({ text: 'insert into people (age) values (9)' })
      const { rows } = await own.run({ text: 'select ages from people where ages is not null' })
      expect([rows, own.transaction]).toEqual([[{ ages: '{1,2}' }], 'open'])
      expect((await own.run({ text: 'commit' })).command).toBe('COMMIT')
      expect((await own.run({ text: 'select ages from people where ages is not null' })).rows).toEqual([
        { ages: '{1,2}' },
      ])
      await port.ground.server.execute(
        'grant select on pg_catalog.pg_type to public',
        port.ground.target.database,
      )
      await own.run({ text: 'delete from people where age = 9' })
    })

    it('are asked for in words that no user can give another meaning', async () => {
      const own = await port.open()
      await make(
        own,
        `create schema evil;
         create table evil.pg_type as select * from pg_catalog.pg_type limit 0;
         create function evil.eq(oid, oid) returns boolean language sql as 'select 1/0 = 1';
         create operator evil.= (leftarg = oid, rightarg = oid, function = evil.eq);
         create operator evil.>= (leftarg = oid, rightarg = oid, function = evil.eq);
         set search_path = evil, public, pg_catalog`,
      )
      const { rows } = await own.run({ text: 'select spans from people' })
      expect(rows).toEqual([{ spans: PERSON.spans }])
      await make(own, 'reset search_path; drop schema evil cascade')
    })
  })
}
