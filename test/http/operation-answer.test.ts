import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { answerStarted } from '../../src/http/admin/operation-answer.ts'
import { Mutations } from '../../src/http/mutations.ts'
import type { OperatorEnv } from '../../src/http/request-context.ts'
import type { OperationView } from '../../src/lifecycle/operation/operation-view.ts'

const at = new Date().toISOString()
const operation: OperationView = {
  id: '00000000-0000-4000-8000-000000000000',
  kind: 'import',
  tenant: null,
  from: null,
  to: null,
  stepsDone: [],
  progress: null,
  state: 'running',
  error: null,
  actor: 'test',
  startedAt: at,
  updatedAt: at,
}

function appOf(mutations: Mutations, result: Promise<string>) {
  return new Hono<OperatorEnv>().post('/', (c) =>
    answerStarted(c, mutations, { operation, result }, (text) => c.text(text)),
  )
}

it('A shutdown that begins while a request waits for its operation waits for the operation, not for the answer', async () => {
  const mutations = new Mutations()
  let end: (text: string) => void = () => {}
  const app = appOf(mutations, new Promise((resolve) => (end = resolve)))
  const asked = app.request('/', { method: 'POST', headers: { prefer: 'wait=1' } })
  let isDrained = false
  const drained = mutations.drain(20_000).then(() => (isDrained = true))
  expect((await asked).status).toBe(202)
  expect(isDrained).toBe(false)
  end('done')
  await drained
})

it('A request that is answered during a shutdown ends nothing but itself', async () => {
  const mutations = new Mutations()
  await mutations.drain(0)
  const app = appOf(mutations, Promise.resolve('done'))
  const answer = await app.request('/', { method: 'POST', headers: { prefer: 'respond-async' } })
  expect(answer.status).toBeLessThan(300)
})
