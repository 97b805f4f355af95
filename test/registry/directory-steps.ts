import fc from 'fast-check'
import { expect } from 'vitest'
import { DirectoryModel } from './directory-model.ts'
import { ModelClock } from './model-clock.ts'

const ACTS = {
  activate: (model) => model.put('active'),
  suspend: (model) => model.put('suspended'),
  remove: (model) => model.remove(),
  'look up': (model) => model.lookUp(),
  'look up thrice': (model) => [1, 2, 3].forEach(() => model.lookUp()),
  'look up impatiently': (model) => model.lookUpImpatiently(),
  abort: (model) => model.abort(),
  'look up a ghost': (model) => model.lookUpGhost(),
  'go down': (model) => model.mode('down'),
  hang: (model) => model.mode('hanging'),
  'come up': (model) => model.mode('up'),
  'fall behind': (model) => model.lag(1),
  'fall far behind': (model) => model.lag(3),
  'catch up': (model) => model.catchUp(),
  'go mute': (model) => model.mute(),
  'speak again': (model) => model.unmute(),
  'tell again': (model) => model.registry.tellAgain(),
  'hold answers': (model) => model.hold(),
  'release answers': (model) => model.release(),
  'lose everything': (model) => model.lie('empty'),
  'speak nonsense': (model) => model.lie('garbage'),
  'come to its senses': (model) => model.lie('none'),
  // What seldom comes about by chance: an older answer to who holds a newer, and to who holds none.
  'look back': async (model) => {
    model.lag(1)
    model.mute()
    model.unmute()
    await model.pass(20)
    model.lookUp()
    await model.pass(20)
  },
  'be put back to nothing': async (model) => {
    model.lie('empty')
    model.mute()
    model.unmute()
    await model.pass(20)
    model.lookUp()
    await model.pass(20)
  },
  'change behind its back': async (model) => {
    model.lag(1)
    model.put('suspended')
    await model.pass(20)
    model.lookUp()
    await model.pass(20)
    model.catchUp()
  },
  'a moment passes': (model) => model.pass(20),
  'a second passes': (model) => model.pass(1_100),
  'three seconds pass': (model) => model.pass(3_000),
  'a minute passes': (model) => model.pass(60_000),
} as const satisfies Record<string, (model: DirectoryModel) => unknown>
const names = Object.keys(ACTS) as (keyof typeof ACTS)[] // its own keys
const often = [
  'look back',
  'look up',
  'look up',
  'look up',
  'look up impatiently',
  'a second passes',
  'come up',
  'speak again',
  'release answers',
] as const
const step = fc.constantFrom(...names, ...often)

/** Runs as many random interleavings as told; half of them end with a close in the middle of all. */
export async function checkDirectory(runs: number, maxLength: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength }),
      fc.boolean(),
      async (steps, closesEarly) => {
        using clock = new ModelClock()
        const model = new DirectoryModel(clock)
        await model.begin()
        for (const name of steps) await ACTS[name](model)
        expect(await (closesEarly ? model.close() : model.end())).toEqual([])
      },
    ),
    { numRuns: runs },
  )
}
