import { describe, expect, it, vi } from 'vitest'
import { InternalError, RegistryUnavailableError } from '../../src/errors.ts'
import { PostponedChanges } from '../../src/lifecycle/postponed/postponed-changes.ts'

const soon = { timeout: 2_000, interval: 5 }

function ground(maxWaiting = 10) {
  const faults: string[] = []
  const done: string[] = []
  const registry = { isAway: true }
  const postponed = new PostponedChanges({
    onFault: (name, fault) => faults.push(`${name}: ${fault instanceof Error ? fault.message : ''}`),
    tryEveryMs: 10,
    maxWaiting,
  })
  const change = (name: string) => async () => {
    if (registry.isAway) throw new RegistryUnavailableError('away')
    done.push(name)
  }
  return { postponed, faults, done, registry, change }
}

describe('postponed changes', () => {
  it('are done in their order when the registry is back, each once', async () => {
    const { postponed, done, registry, change } = ground()
    const settled: string[] = []
    for (const name of ['a', 'b', 'c']) postponed.postpone(name, change(name), () => settled.push(name))
    expect([postponed.count, done]).toEqual([3, []])
    registry.isAway = false
    await vi.waitFor(() => expect(postponed.count).toBe(0), soon)
    expect([done, settled]).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ])
    await postponed.close()
    expect(done).toEqual(['a', 'b', 'c'])
  })

  it('give way to a later one of the same name', async () => {
    const { postponed, done, registry, change } = ground()
    postponed.postpone('suspend acme', change('first'))
    postponed.postpone('suspend acme', change('second'))
    registry.isAway = false
    await postponed.close()
    expect(done).toEqual(['second'])
  })

  it('are refused when too many wait', async () => {
    const { postponed, faults, change } = ground(2)
    postponed.postpone('a', change('a'))
    postponed.postpone('b', change('b'))
    expect(() => postponed.postpone('c', change('c'))).toThrow(RegistryUnavailableError)
    postponed.postpone('b', change('b'))
    await postponed.close()
    expect(faults).toHaveLength(2)
  })

  it('that the registry refuses are told of, and do not hold up the others', async () => {
    const { postponed, faults, done, registry, change } = ground()
    const refused = async () => {
      if (registry.isAway) throw new RegistryUnavailableError('away')
      throw new InternalError('refused')
    }
    postponed.postpone('a', refused)
    postponed.postpone('b', change('b'))
    registry.isAway = false
    await vi.waitFor(() => expect(done).toEqual(['b']), soon)
    expect(faults).toEqual(['a: refused'])
    await postponed.close()
  })

  it('are tried a last time at the end, and those that are left are told of', async () => {
    const { postponed, faults, change } = ground()
    let isSettled = false
    postponed.postpone('a', change('a'), () => {
      isSettled = true
    })
    await postponed.close()
    expect(faults).toEqual([expect.stringMatching(/^a: the registry did not come back/)])
    expect(isSettled).toBe(true)
    expect(() => postponed.postpone('b', change('b'))).toThrow(RegistryUnavailableError)
  })
})
