import { Command } from 'commander'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { selected, selectorOf, selectorOptions } from '../../src/cli/selector.ts'
import { selectTenants } from '../../src/registry/select-tenants.ts'
import { LifecycleGround } from '../lifecycle/ground.ts'
import { create, tenant } from '../registry/records.ts'

const PLANS = ['free', 'pro', 'max']
const STATUSES = ['active', 'suspended', 'deleted'] as const
const FLEET = Array.from({ length: 60 }, (_, index) => ({
  id: `t-${String(index).padStart(2, '0')}`,
  labels: { plan: PLANS[index % 3] ?? '', ...(index % 2 ? { region: 'eu' } : {}) },
  status: STATUSES[index % 5 === 4 ? 2 : index % 4 === 3 ? 1 : 0] ?? 'active',
}))
const LIVE = FLEET.filter(({ status }) => status !== 'deleted').map(({ id }) => id)

let ground: LifecycleGround
beforeAll(async () => {
  ground = await LifecycleGround.start(18)
  await create(ground.registry, ...FLEET.map(({ id, labels, status }) => tenant(id, { labels, status })))
})
afterAll(() => ground[Symbol.asyncDispose]())

async function chosen(...args: string[]): Promise<string[]> {
  const command = selectorOptions(new Command()).exitOverride()
  command.parse(args, { from: 'user' })
  const ids: string[] = []
  for await (const { id } of selected(ground.registry, selectorOf(command))) ids.push(id)
  return ids
}

describe('a selector', () => {
  it('takes those it names, in that order, also when they are deleted', async () => {
    expect(await chosen('--tenant', 't-07,t-01', '--tenant', 't-04', '--tenant', 't-01')).toEqual([
      't-07',
      't-01',
      't-04',
    ])
  })

  it('takes everything that is not deleted with --all', async () => {
    expect(await chosen('--all')).toEqual(LIVE)
  })

  it('refuses names that are not there, all of them at once, before the first tenant', async () => {
    await expect(chosen('--tenant', 't-01,nobody,none')).rejects.toThrow(/not in the registry: nobody, none/)
    await expect(chosen('--tenant', '../etc')).rejects.toMatchObject({ code: 'invalid_tenant_id' })
  })

  it.each([
    [[], /say which tenants: --tenant/],
    [['--all', '--status', 'active'], /no other condition/],
    [['--label', 'plan'], /NAME=VALUE/],
    [['--label', 'Plan=pro'], /^--label: /],
    [['--sample', '0'], /--sample/],
    [['--sample', '101%'], /--sample/],
    [['--sample', 'half'], /--sample/],
  ])('refuses %j', async (args, fault) => {
    await expect(chosen(...args)).rejects.toThrow(fault)
  })

  it('takes those of which every condition is true, and no other', async () => {
    const conditions = fc.record(
      {
        plan: fc.constantFrom(...PLANS),
        region: fc.constant('eu'),
        status: fc.constantFrom(...STATUSES),
        names: fc.subarray(
          FLEET.map(({ id }) => id),
          { minLength: 1 },
        ),
      },
      { requiredKeys: [] },
    )
    await fc.assert(
      fc.asyncProperty(conditions, async ({ plan, region, status, names }) => {
        fc.pre(plan !== undefined || region !== undefined || status !== undefined || names !== undefined)
        const args = [
          ...(plan ? ['--label', `plan=${plan}`] : []),
          ...(region ? ['--label', `region=${region}`] : []),
          ...(status ? ['--status', status] : []),
          ...(names ? ['--tenant', names.join(',')] : []),
        ]
        const expected = FLEET.filter(
          (one) =>
            (plan === undefined || one.labels.plan === plan) &&
            (region === undefined || one.labels.region === region) &&
            (status === undefined
              ? names !== undefined || one.status !== 'deleted'
              : one.status === status) &&
            (names === undefined || names.includes(one.id)),
        )
        expect((await chosen(...args)).toSorted()).toEqual(expected.map(({ id }) => id))
      }),
      { numRuns: 60 },
    )
  })

  it('takes the same sample each time, and in a larger one all of a smaller', async () => {
    const percent = fc.integer({ min: 1, max: 99 })
    await fc.assert(
      fc.asyncProperty(percent, percent, async (one, other) => {
        const [small, large] = [Math.min(one, other), Math.max(one, other)]
        const smaller = await chosen('--sample', `${small}%`)
        expect(await chosen('--sample', String(small))).toEqual(smaller)
        expect(await chosen('--sample', `${large}%`)).toEqual(expect.arrayContaining(smaller))
      }),
      { numRuns: 30 },
    )
    expect(await chosen('--sample', '100%')).toEqual(LIVE)
  })

  it('takes about as many as the sample says', async () => {
    await using large = await LifecycleGround.start(18)
    await create(large.registry, ...Array.from({ length: 1_500 }, (_, index) => tenant(`many-${index}`)))
    const sample: string[] = []
    for await (const { id } of selectTenants(large.registry, { samplePercent: 10 })) sample.push(id)
    // 150 expected, standard deviation 12.
    expect(sample.length).toBeGreaterThan(90)
    expect(sample.length).toBeLessThan(210)
  })
})
