import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RisingHeap } from '../../src/router/pool/rising-heap.ts'

interface Member {
  key: number
  belongs: boolean
  willDo: boolean
}

const members = fc.nat(7)
const step = fc.oneof(
  fc.record({ add: members }),
  fc.record({ remove: members }),
  fc.record({ raise: members, by: fc.nat(20) }),
  fc.record({ leave: members }),
  fc.record({ spare: members }),
)

it('a heap of rising keys finds the lowest of those that belong and will do, as a look at all of them would', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const all: Member[] = Array.from({ length: 8 }, () => ({ key: 0, belongs: true, willDo: true }))
      const heap = new RisingHeap<Member>(({ key }) => key)
      const isIn = new Set<Member>()
      const at = (n: number) => all[n] as Member // n is below 8
      for (const s of steps) {
        if ('add' in s) {
          at(s.add).belongs = true
          heap.add(at(s.add))
          isIn.add(at(s.add))
        } else if ('remove' in s) {
          heap.remove(at(s.remove))
          isIn.delete(at(s.remove))
        } else if ('raise' in s) at(s.raise).key += s.by
        else if ('leave' in s) at(s.leave).belongs = false
        else at(s.spare).willDo = !at(s.spare).willDo
        const fit = [...isIn].filter(({ belongs, willDo }) => belongs && willDo)
        const found = heap.lowest(
          ({ belongs }) => belongs,
          ({ willDo }) => willDo,
        )
        expect(found?.key).toBe(fit.length === 0 ? undefined : Math.min(...fit.map(({ key }) => key)))
      }
    }),
  )
})
