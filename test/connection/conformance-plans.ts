import { describe, expect, it } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { failureOf, type PortUnderTest } from './port-under-test.ts'

export function describePlans(port: PortUnderTest): void {
  const make = (text: string) => port.shared.run({ text, multiple: true })

  describe('a statement that was prepared before its table was altered', () => {
    it.each([
      ['a column is added', 'add column added int default 7', 'select * from %'],
      ['a column changes its type', 'alter column n type text', 'select n from %'],
      ['a parameter changes its type', 'alter column n type text', 'select t from % where n = $1'],
      [
        'a column is added, of a changing statement',
        'add column added int',
        'update % set t = t returning *',
      ],
    ])('answers as if it had not been: %s', async (kind, change, text) => {
      const table = `altered_${kind.length}`
      await make(`create table ${table} (n int, t text); insert into ${table} values (1, 'x')`)
      const statement = { text: text.replace('%', table), params: text.includes('$1') ? ['1'] : [] }
      const before = (await port.shared.run(statement)).rows
      expect((await port.shared.run(statement)).rows).toEqual(before)
      await make(`alter table ${table} ${change}`)
      const fresh = await port.open()
      const after = (await fresh.run(statement)).rows
      for (let round = 0; round < 3; round++) expect((await port.shared.run(statement)).rows).toEqual(after)
      expect(port.shared.isOpen).toBe(true)
    })

    it('reads its columns by their new types', async () => {
      await make('create table retyped (v int); insert into retyped values (1)')
      const ask = async () => (await port.run('select v from retyped')).rows
      expect([await ask(), await ask()]).toEqual([[{ v: 1 }], [{ v: 1 }]])
      await make("alter table retyped alter column v type jsonb using '[1]'::jsonb")
      expect([await ask(), await ask()]).toEqual([[{ v: [1] }], [{ v: [1] }]])
      await make('alter table retyped alter column v type int[] using array[3]')
      expect([await ask(), await ask()]).toEqual([[{ v: [3] }], [{ v: [3] }]])
    })

    it('writes its parameters once, and exactly', async () => {
      await make('create table written (j jsonb, b bytea, d timestamptz)')
      const params = [{ a: 1 }, Buffer.from('abc'), new Date('2026-01-02T03:04:05Z')]
      const write = async () =>
        (await port.run('insert into written values ($1, $2, $3) returning *', params)).rows
      const expected = [{ j: params[0], b: params[1], d: params[2] }]
      expect([await write(), await write()]).toEqual([expected, expected])
      await make('alter table written add column more int')
      expect(await write()).toEqual([{ ...expected[0], more: null }])
      expect(
        (await port.run('select count(*)::int as n, count(distinct j)::int as kinds from written')).rows,
      ).toEqual([{ n: 3, kinds: 1 }])
    })

    it('is prepared again where its name was taken from the session', async () => {
      const own = await port.open()
      const statement = { text: 'select $1::int as n', params: [1] }
      await own.run(statement)
      await own.run({ text: 'deallocate all', prepare: false })
      expect((await own.run(statement)).rows).toEqual([{ n: 1 }])
    })

    it('fails in a transaction, which that has ended', async () => {
      await make('create table inside (n int)')
      const statement = { text: 'select * from inside' }
      await port.shared.run(statement)
      await port.run('begin')
      await make('alter table inside add column m int')
      expect(await failureOf(port.shared.run(statement))).toMatchObject({ sqlstate: '0A000' })
      expect(port.shared.transaction).toBe('failed')
      await port.run('rollback')
      expect((await port.shared.run(statement)).rows).toEqual([])
    })

    it('says what is wrong where a new plan fails too, and runs nothing twice', async () => {
      await make('create table gone (n int); create table log (n int)')
      const statement = { text: 'with l as (insert into log values (1)) select n from gone' }
      await port.shared.run(statement)
      await make('alter table gone rename column n to m')
      expect(await failureOf(port.shared.run(statement))).toMatchObject({ sqlstate: '42703' })
      await make('alter table gone rename column m to n')
      await port.shared.run(statement)
      expect((await port.run('select count(*)::int as n from log')).rows).toEqual([{ n: 2 }])
    })

    it('that had begun when it failed is not begun again, whatever its error says', async () => {
      await make(`create sequence begun; create function unfit() returns int language plpgsql as
        $$ begin raise exception using errcode = '42P01'; end $$`)
      const statement = { text: "select nextval('begun'), unfit()" }
      for (let round = 1; round <= 3; round++) {
        expect(await failureOf(port.shared.run(statement))).toMatchObject({ sqlstate: '42P01' })
        const [row] = (await port.run('select last_value::int as n from begun')).rows
        expect(row).toEqual({ n: round })
      }
    })

    it('answers under load: no SELECT fails while the table is altered twenty times', async () => {
      await make('create table loaded (n int); insert into loaded values (1)')
      const connections: Connection[] = await Promise.all([1, 2, 3].map(() => port.open()))
      let isOver = false
      let answers = 0
      const worker = async (connection: Connection) => {
        while (!isOver) {
          const { rows } = await connection.run({ text: 'select * from loaded where n = $1', params: [1] })
          expect(rows).toHaveLength(1)
          answers++
        }
      }
      const working = Promise.all(connections.map(worker))
      for (let round = 0; round < 20; round++) {
        await make(`alter table loaded add column c${round} int`)
        const seen = answers
        while (answers < seen + 6) await new Promise((resolve) => setImmediate(resolve))
      }
      isOver = true
      await working
      expect(answers).toBeGreaterThan(120)
    })
  })
}
