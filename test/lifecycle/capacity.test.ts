import { expect, it } from 'vitest'
import { measureCapacity } from '../../src/lifecycle/server/capacity.ts'

/** What a server of that version answers. */
const serverOf = (version: number) => ({
  row: <T>(shape: { parse(value: unknown): T }) =>
    Promise.resolve(
      shape.parse({ version: version * 10_000 + 3, maxConnections: 100, reserved: 3, roleLimit: -1 }),
    ),
})

it.each([13, 14, 19])(
  'a server of a version that nobody has tested is refused, those that let all create in public among them: Postgres %i',
  async (version) => {
    await expect(measureCapacity(serverOf(version))).rejects.toMatchObject({ code: 'precondition_failed' })
    expect(await measureCapacity(serverOf(15))).toMatchObject({ version: 15, usable: 97 })
  },
)
