import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuditKey } from '../../src/registry/audit/audit-key.ts'
import {
  type AuditHead,
  type KeptAudit,
  NO_HEAD,
  type TrailEntry,
} from '../../src/registry/audit/audit-trail.ts'
import { TrailCheck, type TrailVerdict } from '../../src/registry/audit/trail-check.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'

const REGISTRY = '11111111-1111-4111-8111-111111111111'
const [oldKey, newKey] = [generateMasterKey().reveal(), generateMasterKey().reveal()]
const keyOf = (...texts: string[]) => new AuditKey(MasterKeys.fromText(texts.join(',')))
const key = keyOf(newKey, oldKey)

const Detail = fc.dictionary(
  fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== '__proto__'),
  fc.oneof(fc.string({ maxLength: 12 }), fc.integer(), fc.boolean(), fc.constant(null)),
  { maxKeys: 3 },
)
const Draft = fc.record({
  actor: fc.string({ maxLength: 12 }),
  action: fc.constantFrom('tenant.suspend', 'key.create', 'call.refuse'),
  target: fc.string({ maxLength: 12 }),
  tenant: fc.option(fc.string({ maxLength: 12 })),
  at: fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z'),
  detail: Detail,
  revision: fc.nat(),
})
type Drafted = typeof Draft extends fc.Arbitrary<infer T> ? T : never

/** Sealed one after the other; the first ones before the master key was replaced. */
function chainOf(drafts: readonly Drafted[], signedBefore = 0): KeptAudit[] {
  let head: AuditHead = NO_HEAD
  return drafts.map((draft, index) => {
    const audit = (index < signedBefore ? keyOf(oldKey) : key).sealed(draft, head, REGISTRY)
    head = { link: audit.seal.link, mac: audit.seal.mac }
    return audit
  })
}

function headOf(chain: readonly KeptAudit[]): AuditHead {
  const seal = chain.at(-1)?.seal
  return seal ? { link: seal.link, mac: seal.mac } : NO_HEAD
}

/** As a backend gives it back: by way of JSON, in its new order. */
function verdictOn(
  trail: readonly (KeptAudit | undefined)[],
  head: AuditHead,
  expected?: AuditHead,
): TrailVerdict {
  const check = new TrailCheck(key, REGISTRY, NO_HEAD, expected)
  trail.forEach((audit, index) => {
    const kept = audit && (JSON.parse(JSON.stringify(audit)) as KeptAudit) // what it was
    const entry: TrailEntry = { position: String(index), audit: kept }
    check.add(entry)
  })
  return check.end(head)
}

/** One thing done to a trail by somebody who may write into the registry and has no key. */
const Tampering = fc.record({
  what: fc.constantFrom('change', 'remove', 'copy', 'insert', 'swap', 'unseal', 'forge', 'spoil'),
  at: fc.nat(),
  to: fc.nat(),
  field: fc.constantFrom('actor', 'action', 'target', 'tenant', 'at', 'detail', 'revision', 'seal', 'new'),
})
type Tampering = typeof Tampering extends fc.Arbitrary<infer T> ? T : never

function tampered(
  chain: readonly KeptAudit[],
  { what, at, to, field }: Tampering,
): (KeptAudit | undefined)[] {
  const trail: (KeptAudit | undefined)[] = [...chain]
  const from = at % chain.length
  const into = to % (chain.length + 1)
  const entry = chain[from]
  const forged = { ...changed(entry, 'target'), seal: entry?.seal ?? null } as KeptAudit // as read
  if (what === 'change') trail[from] = changed(entry, field)
  if (what === 'remove') trail.splice(from, 1)
  if (what === 'copy') trail.splice(into, 0, entry)
  if (what === 'insert') trail.splice(into, 0, { ...forged, seal: null })
  if (what === 'swap')
    [trail[from], trail[(from + 1) % chain.length]] = [chain[(from + 1) % chain.length], entry]
  if (what === 'unseal') trail[from] = { ...forged, seal: null }
  if (what === 'forge')
    trail[from] = keyOf(generateMasterKey().reveal()).sealed(forged, headOf(chain.slice(0, from)), REGISTRY)
  if (what === 'spoil') trail[from] = undefined
  return trail
}

function changed(entry: KeptAudit | undefined, field: Tampering['field']): KeptAudit | undefined {
  if (!entry?.seal) return undefined
  const { seal } = entry
  switch (field) {
    case 'revision':
      return { ...entry, revision: entry.revision + 1 }
    case 'detail':
      return { ...entry, detail: { ...entry.detail, another: 1 } }
    case 'seal':
      return {
        ...entry,
        seal: { ...seal, mac: `${seal.mac.slice(0, -2)}${seal.mac.endsWith('AA') ? 'BA' : 'AA'}` },
      }
    case 'tenant':
      return { ...entry, tenant: entry.tenant === null ? '' : null }
    case 'new':
      return { ...entry, added: null }
    case 'actor':
    case 'action':
    case 'target':
    case 'at':
      return { ...entry, [field]: `${entry[field]}x` }
  }
}

describe('a sealed trail', () => {
  it('is whole as it was written, also across the change of the master key', () => {
    fc.assert(
      fc.property(fc.array(Draft, { maxLength: 8 }), fc.nat(8), (drafts, before) => {
        const chain = chainOf(drafts, before)
        expect(verdictOn(chain, headOf(chain))).toMatchObject({
          whole: true,
          fault: null,
          sealed: drafts.length,
        })
      }),
    )
  })

  it('is not whole after any single change, removal, copy, insertion, swap or forgery', () => {
    fc.assert(
      fc.property(fc.array(Draft, { minLength: 1, maxLength: 8 }), Tampering, (drafts, tampering) => {
        const chain = chainOf(drafts)
        fc.pre(tampering.what !== 'swap' || chain.length > 1)
        expect(verdictOn(tampered(chain, tampering), headOf(chain)).whole).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  it('is of one registry: in another it is not whole', () => {
    const chain = chainOf([draft('a'), draft('b')])
    const check = new TrailCheck(key, '22222222-2222-4222-8222-222222222222', NO_HEAD)
    chain.forEach((audit, index) => check.add({ position: String(index), audit }))
    expect(check.end(headOf(chain)).fault?.kind).toBe('changed')
  })
})

const draft = (target: string): Drafted => ({
  actor: 'key:a',
  action: 'tenant.suspend',
  target,
  tenant: target,
  at: '2026-01-01T00:00:00.000Z',
  detail: {},
  revision: 1,
})

describe('the verdict', () => {
  const chain = chainOf(['a', 'b', 'c', 'd', 'e'].map(draft))
  const head = headOf(chain)
  const without = (...indexes: number[]) => chain.filter((_, index) => !indexes.includes(index))

  it.each([
    ['removed', without(2, 3), head, { position: '2', link: 3, count: 2 }],
    ['removed', without(0), head, { position: '0', link: 1, count: 1 }],
    ['cut', without(3, 4), head, { position: null, link: 4, count: 2 }],
    [
      'changed',
      chain.map((audit, i) => (i === 2 ? { ...audit, target: 'x' } : audit)),
      head,
      { position: '2', link: 3 },
    ],
    ['moved', [...chain.slice(0, 3), ...chain.slice(1)], head, { position: '3', link: 2 }],
    [
      'unsealed',
      [...chain, { ...draft('x'), seal: null }, { ...draft('y'), seal: null }],
      head,
      { position: '5', until: '6', count: 2 },
    ],
    ['head', chain, { ...head, mac: 'other' }, { position: null, link: 5 }],
  ] as const)('says %s, and where', (kind, trail, noted, where) => {
    expect(verdictOn(trail, noted).fault).toMatchObject({ kind, ...where })
  })

  it('says that a link was replaced where the next was sealed after another', () => {
    const other = chainOf(['a', 'b', 'x'].map(draft))
    const trail = [...chain.slice(0, 2), ...other.slice(2), ...chain.slice(3)]
    expect(verdictOn(trail, head).fault).toMatchObject({ kind: 'replaced', position: '3', link: 4 })
  })

  it('says unknown_key without the master key that sealed it, and goes on with the chain', () => {
    const check = new TrailCheck(keyOf(oldKey), REGISTRY, NO_HEAD)
    chain.forEach((audit, index) => check.add({ position: String(index), audit }))
    expect(check.end(head)).toMatchObject({ faults: 5, fault: { kind: 'unknown_key', position: '0' } })
  })

  it('finds a trail that was cut together with its head by what an earlier verification ended with', () => {
    const cut = without(4)
    expect(verdictOn(cut, headOf(cut)).whole).toBe(true)
    expect(verdictOn(cut, headOf(cut), head).fault).toMatchObject({ kind: 'expected', link: 5 })
    expect(verdictOn(chain, head, headOf(cut)).whole).toBe(true)
  })

  it('takes what is newer than the noted head for what it is: a writer ended before it noted it', () => {
    expect(verdictOn(chain, headOf(without(4))).whole).toBe(true)
  })

  it('begins in the middle where it is asked to', () => {
    const check = new TrailCheck(key, REGISTRY, undefined)
    chain.slice(2).forEach((audit, index) => check.add({ position: String(index), audit }))
    expect(check.end(head)).toMatchObject({ whole: true, entries: 3, head })
  })
})
