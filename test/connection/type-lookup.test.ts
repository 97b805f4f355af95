import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ground, startGround } from './ground.ts'

let ground: Ground

beforeAll(async () => {
  ground = await startGround()
  const connection = await ground.open()
  await connection.run({ text: "create type mood as enum ('ok')" })
})

afterAll(() => ground[Symbol.asyncDispose]())

describe('looking up the types of an answer', () => {
  it('hides nothing of what its statement did', async () => {
    const connection = await ground.open({ via: 'transaction-pooler' })
    const text = "set search_path = public; select array['ok']::mood[] as moods"
    await expect(connection.run({ text, multiple: true })).rejects.toMatchObject({ code: 'unsupported' })
    await expect(connection.clean('application')).rejects.toMatchObject({ code: 'connection_lost' })
  })
})
