import { expect } from 'vitest'
import type { SqlCase } from '../sql-case.ts'

const CONTENT_TYPES = [
  'text/plain;charset=UTF-8',
  'application/sql',
  'application/json',
  'application/x-www-form-urlencoded',
]

const contentTypes: readonly SqlCase[] = CONTENT_TYPES.map((type) => ({
  name: `a body of the type ${type} is read alike`,
  async run({ post }) {
    const { status, json } = await post({ query: "select '☃' as a" }, { 'content-type': type })
    expect([status, json?.rows]).toEqual([200, [{ a: '☃' }]])
  },
}))

export const rawHttp: readonly SqlCase[] = [
  ...contentTypes,
  {
    name: 'an answer is JSON that any page may read, and has an id',
    async run({ post }) {
      const answers = [await post({ query: 'select 1' }), await post({ query: 'select 1/0' })]
      for (const { headers } of answers) {
        expect(headers.get('content-type')).toMatch(/^application\/json/)
        expect(headers.get('access-control-allow-origin')).toBe('*')
        expect(headers.get('neon-request-id')).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      }
    },
  },
  {
    name: 'a password may be percent-encoded throughout, and parameters of the connection string have no effect',
    async run({ connectionString, post }) {
      const url = new URL(connectionString)
      const escaped = [...Buffer.from(url.password)]
        .map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
        .join('')
      const whole = connectionString.replace(`:${url.password}@`, `:${escaped}@`)
      const own = `${whole}?options=-c+search_path%3Dnowhere&sslmode=require&application_name=pkg%3Anpm`
      const { status, json } = await post(
        { query: 'select count(*)::int as n from notes' },
        { 'neon-connection-string': own },
      )
      expect([status, json.rows]).toEqual([200, [{ n: 20 }]])
    },
  },
  {
    name: 'both spellings of the scheme, and a port, are as good',
    async run({ connectionString, post }) {
      const other = connectionString
        .replace('postgresql://', 'postgres://')
        .replace('/anything', ':5432/any%20name')
      const { status } = await post({ query: 'select 1' }, { 'neon-connection-string': other })
      expect(status).toBe(200)
    },
  },
]
