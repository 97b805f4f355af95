import { Hono } from 'hono'
import { expect, it, vi } from 'vitest'
import { answerStarted } from '../../src/http/admin/operation-answer.ts'
import { OperationStreams } from '../../src/http/admin/operation-streams.ts'
import { Mutations } from '../../src/http/mutations.ts'
import type { OperatorEnv } from '../../src/http/request-context.ts'
import { Operation } from '../../src/lifecycle/operation/operation.ts'
import type { OperationView } from '../../src/lifecycle/operation/operation-view.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { LifecycleGround } from '../lifecycle/ground.ts'
import { instead } from '../lifecycle/meanwhile.ts'

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

it('A preference that is none does not turn what has begun into a refusal', async () => {
  const app = appOf(new Mutations(), Promise.resolve('done'))
  for (const prefer of ['wait=soon', 'wait=99999', 'wait=-1']) {
    const answer = await app.request('/', { method: 'POST', headers: { prefer } })
    expect([answer.status, await answer.text()]).toEqual([200, 'done'])
  }
})

it('A client that follows an operation and reads slowly is told how it ended', async () => {
  await using ground = await LifecycleGround.start(18)
  const begun = await Operation.begin(ground.parts, { kind: 'import' }, 'test')
  const seen: unknown[] = []
  const find: Registry['find'] = async (...what) => {
    const entry = await ground.registry.find(...what)
    if (entry?.kind === 'operation') seen.push(entry.record)
    return entry
  }
  const streams = new OperationStreams(instead(ground.registry, { find }), 10)
  const events = streams.open(begun.view).getReader()
  await begun.noteStep('one')
  await begun.done()
  await begun[Symbol.asyncDispose]()
  // Nothing is read until the end was seen.
  await vi.waitFor(() => expect(seen).toContainEqual(expect.objectContaining({ state: 'done' })), 10_000)
  let text = ''
  for (;;) {
    const { done, value } = await events.read()
    if (done) break
    text += new TextDecoder().decode(value)
  }
  expect(text).toMatch(/"state":"done"/)
})
