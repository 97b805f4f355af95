import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BEFORE } from './version.ts'
import { widened } from './widened.ts'

const fileAt = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
/** The form of a registry's records as that version has it: its `registry/file/registry.schema.json`. */
const before: unknown = JSON.parse(fileAt(`registry-of-${BEFORE.name}.schema.json`))
const present = fileAt('../../registry/file/registry.schema.json')

/** SHA-256 of what that version applied to databases, which nothing applies again. */
const RELEASED = {
  '001-registry.sql': '1caa7297ec02e03869a80097643c9dd8c6b20ab46463657ffbae24c4949f8f15',
  '002-audit-chain.sql': 'f87865e85d893b786a5b2d1852e4e162bb0a5ca2e91553de57a7288e8bdd161c',
  '003-lists.sql': '3d312ba36b5c2b28c85037da71f4343af2830cef1bf50af7bd0e7272de5065e7',
}

describe(`what a process of ${BEFORE.name} finds in a registry of this version`, () => {
  it('is nothing that it refuses: no other value, and a new field only where it keeps what it does not know', () => {
    expect(widened(before, JSON.parse(present))).toEqual([])
  })

  it.each([
    ['"provisioning",\n', '"provisioning", "archived",\n', /status: "archived"$/],
    ['"rewrap"\n', '"rewrap", "compact"\n', /operations\.\*\.kind: "compact"$/],
    ['"slot": {', '"replica": {"type": "string"}, "slot": {', /route\.replica: a new field$/],
    ['"maxLength": 500\n', '"maxLength": 501\n', /statusReason: maxLength 501, was 500$/],
    ['"databaseOid",\n', '', /identity\.databaseOid: left out$/],
    ['"type": "boolean"\n', '"type": "string"\n', /: of type string$/],
  ])('would be told of: %j made %j', (written, instead, told) => {
    expect(present).toContain(written)
    const found = widened(before, JSON.parse(present.replace(written, instead)))
    expect(found).toEqual([expect.stringMatching(told)])
  })

  it('may have new fields in tenants, servers, keys and operations themselves', () => {
    const edited = present.replaceAll('"createdAt": {', '"laterField": {"type": "object"}, "createdAt": {')
    expect(edited).not.toBe(present)
    expect(widened(before, JSON.parse(edited))).toEqual([])
  })

  it('is a management database that was made by the same steps', () => {
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
    const made = Object.keys(RELEASED).map((name) => [
      name,
      sha256(fileAt(`../../registry/postgres/${name}`)),
    ])
    expect(Object.fromEntries(made)).toEqual(RELEASED)
  })
})
