import { expect, it } from 'vitest'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { resumeTenant } from '../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { LifecycleGround } from './ground.ts'

const OTHERS = 6
const SUSPENSIONS = 10

it('suspends a tenant on a server where others log in all the time', async () => {
  await using ground = await LifecycleGround.withServer(18)
  await provisionTenant({ ...ground.parts, scramIterations: 1 }, { id: 'acme' }, 'test')
  let isOver = false
  const logIn = async () => {
    while (!isOver) await (await ground.server.connect('postgres')).end()
  }
  const others = Array.from({ length: OTHERS }, logIn)
  try {
    for (let i = 0; i < SUSPENSIONS; i += 1) {
      expect(await suspendTenant(ground.parts, 'acme', {}, 'test')).toMatchObject({
        fence: 'database',
        caveat: null,
      })
      await resumeTenant(ground.parts, 'acme', 'test')
    }
  } finally {
    isOver = true
    await Promise.all(others)
  }
})
