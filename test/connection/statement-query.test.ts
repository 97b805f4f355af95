import { describe, expect, it } from 'vitest'
import { OneTripQuery } from '../../src/connection/one-trip-query.ts'
import { queryOf } from '../../src/connection/statement-query.ts'
import { driverProfile } from '../../src/connection/type-profile.ts'

const texts = { parsers: {}, serializers: {}, blanks: 0 }
const statement = { text: 'select $1', params: ['1', null], prepare: false }

describe('the query object of a statement', () => {
  it('goes in one trip where its parameters are texts and nobody would write them otherwise', () => {
    expect(queryOf(statement, texts)).toBeInstanceOf(OneTripQuery)
  })

  it.each([
    ['a profile with serializers', statement, driverProfile],
    ['a value that is no text', { ...statement, params: [1] }, texts],
    ['a named statement', { ...statement, prepare: true }, texts],
    ['a statement whose naming is left open', { text: 'select $1', params: ['1'] }, texts],
  ])('asks for the types first with %s', (_, given, profile) => {
    expect(queryOf(given, profile)).not.toBeInstanceOf(OneTripQuery)
  })
})
