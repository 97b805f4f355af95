import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceWorld } from '../http/service-world.ts'
import { Asking, ownerAt } from './asking.ts'
import { Rollout } from './rollout.ts'
import { Version } from './version.ts'

/** Takes away what nobody calls since the version before; readable from this version on. */
const contract = (version: number) => `
  drop function tenantry_registry.commit_1(jsonb, jsonb, jsonb, jsonb, bigint);
  insert into tenantry_registry.migration (version, readable_from) values (${version}, ${version - 1});`

const REFUSED = /the registry's schema \d+ needs version \d+, this process knows \d+/

export function describeContract(
  versions: () => { readonly before: Version; readonly present: Version },
): void {
  let rollout: Rollout
  let before: Version
  let present: Version
  let after: Version
  let serviceKey: string
  let old: ServiceWorld
  let young: ServiceWorld

  beforeAll(async () => {
    ;({ before, present } = versions())
    after = await Version.after(contract)
    rollout = await Rollout.start('postgres', before)
    serviceKey = await rollout.key(before, '--service')
    const operatorKey = await rollout.key(before, '--operator', 'admin')
    for (const id of ['acme', 'globex']) await rollout.create(before, id)
    old = await rollout.serve(before, operatorKey)
    await rollout.migrate(present)
    await rollout.grant()
    young = await rollout.serve(present, operatorKey)
  })
  afterAll(async () => {
    await young?.[Symbol.asyncDispose]()
    await old?.[Symbol.asyncDispose]()
    await rollout?.[Symbol.asyncDispose]()
    await after?.[Symbol.asyncDispose]()
  })

  it('takes nothing from this version, and no query from a process of the one before that was forgotten', async () => {
    const asking = new Asking([old, young], ['acme', 'globex'], serviceKey)
    await asking.goOn(50)
    const { to } = (await rollout.migrate(present)) as { to: number }
    expect(await rollout.migrate(after)).toMatchObject({
      readableFrom: to,
      steps: [expect.stringContaining('-after')],
    })
    await rollout.create(after, 'made-after')
    await rollout.does(present, ['tenant', 'set', 'acme', '--label', 'plan=pro'])
    await asking.goOn(100)
    expect((await asking.stop()).wrong).toEqual([])
    expect(await ownerAt(young, 'made-after', serviceKey)).toBe('made-after')
    expect(await rollout.does(after, ['audit', 'verify'])).toMatchObject({ whole: true })
  })

  it('lets nothing of the version before start, and says why', async () => {
    for (const words of [['serve'], ['tenant', 'list'], ['registry', 'migrate']]) {
      const { code, out, err } = await rollout.run(before, words)
      expect({ words, code, said: out + err }).toEqual({
        words,
        code: 1,
        said: expect.stringMatching(REFUSED),
      })
    }
    expect(await rollout.migrate(present)).toMatchObject({ steps: [] })
  })
}
