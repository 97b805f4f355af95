import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TenantPicker } from '../../src/load/tenant-picker.ts'

function shares(count: number, exponent: number, picks: number): number[] {
  const picker = new TenantPicker(count, exponent, 7)
  const seen = Array.from({ length: count }, () => 0)
  for (let i = 0; i < picks; i++) {
    const index = picker.next()
    seen[index] = (seen[index] ?? 0) + 1
  }
  return seen.map((times) => times / picks)
}

describe('the choice of tenants', () => {
  it('follows Zipf: the second gets half as many as the first, the tenth a tenth', () => {
    const [first = 0, second = 0, , , , , , , , tenth = 0] = shares(200, 1, 200_000)
    const harmonic = Array.from({ length: 200 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b)
    expect(first).toBeCloseTo(1 / harmonic, 2)
    expect(second / first).toBeCloseTo(0.5, 1)
    expect(tenth / first).toBeCloseTo(0.1, 1)
  })

  it('is even where the exponent is 0', () => {
    for (const share of shares(10, 0, 100_000)) expect(share).toBeCloseTo(0.1, 2)
  })

  it('is the same for the same seed, and another for another', () => {
    const picks = (seed: number) => {
      const picker = new TenantPicker(1_000, 1, seed)
      return Array.from({ length: 50 }, () => picker.next())
    }
    expect(picks(1)).toEqual(picks(1))
    expect(picks(1)).not.toEqual(picks(2))
  })

  it('never leaves the list, whatever its length and the exponent', () => {
    const cases = fc.property(
      fc.integer({ min: 1, max: 3_000 }),
      fc.double({ min: 0, max: 5, noNaN: true }),
      fc.integer({ min: 0, max: 4_294_967_295 }),
      (count, exponent, seed) => {
        const picker = new TenantPicker(count, exponent, seed)
        const picks = Array.from({ length: 100 }, () => picker.next())
        expect(picks.every((index) => Number.isInteger(index) && index >= 0 && index < count)).toBe(true)
      },
    )
    fc.assert(cases, { numRuns: 50 })
  })
})
