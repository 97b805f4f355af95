import { describe, expect, it } from 'vitest'
import { firstWords } from '../../src/lifecycle/provision/first-words.ts'

describe('the first words of statements', () => {
  it.each([
    ['', []],
    [' ;; -- commit;\n; /* commit; /* nested; */ commit; */ ', []],
    ['select 1; Commit', ['SELECT', 'COMMIT']],
    ['begin;insert into t values (1);end', ['BEGIN', 'INSERT INTO', 'END']],
    ["select '; commit; it''s'; end", ['SELECT', 'END']],
    [String.raw`select E'\'; commit; '; end`, ['SELECT', 'END']],
    [String.raw`select '\'; commit`, ['SELECT', 'COMMIT']],
    ['select "a;""b" from t; abort', ['SELECT FROM', 'ABORT']],
    ['do $$ begin; commit; end $$; start transaction', ['DO', 'START TRANSACTION']],
    ['do $a$ $$; commit; $b$ $a$; rollback', ['DO', 'ROLLBACK']],
    ['select $1; commit', ['SELECT', 'COMMIT']],
    ['create rule r as on insert to t do (select 1; select 2); commit', ['CREATE RULE', 'COMMIT']],
    [
      'create function f() returns int begin atomic select case when true then 1 end; select 2; end; commit',
      ['CREATE FUNCTION', 'COMMIT'],
    ],
    ['create table t (begin atomic); commit', ['CREATE TABLE', 'COMMIT']],
  ])('of %j are %j', (sql, words) => {
    expect(firstWords(sql)).toEqual(words)
  })

  it('are found behind a string of several megabytes', () => {
    const text = 'x'.repeat(4_000_000)
    expect(firstWords(`select '${text}''${text}'; /*${text}*/ commit`)).toEqual(['SELECT', 'COMMIT'])
  })
})
