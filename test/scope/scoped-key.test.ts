import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidRequestError, InvalidTenantIdError } from '../../src/errors.ts'
import { type KeyPart, scopedKey, scopePrefix } from '../../src/scope/scoped-key.ts'

interface Named {
  readonly id: string
  readonly generation: number
  readonly parts: readonly KeyPart[]
}

/** Any UTF-16, halves of surrogate pairs included, and much that looks like a separator. */
const text = fc.oneof(
  fc
    .array(fc.constantFrom('', '.', ':', '"', ',', '[', '\\', '\0', 'a', '1', '\ud800', '\udc00', '\ufffd'), {
      maxLength: 5,
    })
    .map((units) => units.join('')),
  fc.array(fc.nat(0xffff), { maxLength: 6 }).map((units) => String.fromCharCode(...units)),
)
const part = fc.oneof(text, fc.maxSafeInteger(), fc.nat(3), fc.nat(3).map(String))
const named: fc.Arbitrary<Named> = fc.record({
  id: fc.constantFrom('a', 'a-1', 'a1', '1', 'a-1-1', '11'),
  generation: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  parts: fc.array(part, { maxLength: 4 }),
})
const keyOf = ({ id, generation, parts }: Named) => scopedKey({ id, generation }, ...parts)

describe('the key of a scope', () => {
  it('is the same for the same tenant, generation and parts, and for nothing else', () => {
    fc.assert(
      fc.property(named, named, (one, other) => {
        const isSame =
          one.id === other.id &&
          one.generation === other.generation &&
          one.parts.length === other.parts.length &&
          one.parts.every((value, at) => Object.is(value, other.parts[at]))
        expect(keyOf(one) === keyOf(other)).toBe(isSame)
        expect(keyOf({ ...one })).toBe(keyOf(one))
      }),
      { numRuns: 3_000 },
    )
  })

  it('differs where one of them does, however little', () => {
    fc.assert(
      fc.property(named, fc.nat(), part, (one, at, other) => {
        const changed = [
          { ...one, id: `${one.id}0` },
          { ...one, generation: one.generation === 1 ? 2 : one.generation - 1 },
          { ...one, parts: [...one.parts, other] },
          {
            ...one,
            parts: one.parts.flatMap((value, place) => (place === at % 4 ? [value, other] : [value])),
          },
          { ...one, parts: [one.parts.join('')] },
          { ...one, parts: one.parts.map(String) },
        ]
        const distinct = new Map([one, ...changed].map((value) => [JSON.stringify(value), keyOf(value)]))
        expect(new Set(distinct.values()).size).toBe(distinct.size)
      }),
      { numRuns: 1_000 },
    )
  })

  it('begins with the tenant and its generation, and fits where names are short and of few characters', () => {
    fc.assert(
      fc.property(named, named, (one, other) => {
        const key = keyOf(one)
        expect(key).toMatch(/^[a-z0-9.-]{1,122}$/)
        const isOwn = one.id === other.id && one.generation === other.generation
        expect(key.startsWith(scopePrefix(other))).toBe(isOwn)
      }),
    )
  })

  it('is of no epoch: what is kept outlives a move', () => {
    const tenant = { id: 'acme', generation: 7 }
    expect(scopedKey({ ...tenant, epoch: 1 } as typeof tenant, 'a')).toBe(scopedKey(tenant, 'a'))
  })

  it('refuses what has no one way to be written', () => {
    for (const wrong of [Number.NaN, 1.5, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => scopedKey({ id: 'acme', generation: 1 }, wrong)).toThrow(InvalidRequestError)
      expect(() => scopedKey({ id: 'acme', generation: wrong })).toThrow(InvalidRequestError)
    }
    expect(() => scopedKey({ id: 'acme.1', generation: 1 })).toThrow(InvalidTenantIdError)
  })
})
