import { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandLine } from '../../src/cli/command-line.ts'
import { eachTenantOptions, forEachTenant } from '../../src/cli/for-each-tenant.ts'
import { Progress } from '../../src/cli/progress.ts'
import { terminalOf } from '../../src/cli/terminal-of.ts'
import { PreconditionFailedError } from '../../src/errors.ts'
import { sideBySide } from '../../src/side-by-side.ts'
import { LifecycleGround } from '../lifecycle/ground.ts'
import { create, tenant } from '../registry/records.ts'

const IDS = ['acme', 'globex', 'hooli', 'initech', 'umbrella']

interface Told {
  readonly out: string[]
  readonly err: string[]
  readonly drawn: string[]
}

let ground: LifecycleGround
beforeAll(async () => {
  ground = await LifecycleGround.start(18)
  await create(ground.registry, ...IDS.map((id) => tenant(id)))
})
afterAll(() => ground[Symbol.asyncDispose]())

/** What a verb over all of `IDS` says when the work fails for some. */
async function ran(failing: readonly string[], args: readonly string[], isTerminal = false) {
  const told: Told = { out: [], err: [], drawn: [] }
  const cli: CommandLine = {
    variables: {},
    print: (line) => told.out.push(line),
    note: (line) => told.err.push(line),
    readInput: async () => '',
    terminal: isTerminal ? { columns: 60, draw: (text) => told.drawn.push(text) } : undefined,
  }
  const worked: string[] = []
  const command = eachTenantOptions(new Command().option('--json')).exitOverride()
  command.parse(args, { from: 'user' })
  const work = async ({ id }: { id: string }) => {
    worked.push(id)
    if (failing.includes(id)) throw new PreconditionFailedError(`${id} will not`)
    return `did ${id}`
  }
  const line = (id: string, result: string) => `${id}: ${result}`
  const each = { what: 'trying', work, line }
  const error: unknown = await forEachTenant(cli, command, ground.registry, each).catch(
    (thrown: unknown) => thrown,
  )
  return { ...told, worked, error }
}

describe('a verb over many tenants', () => {
  it('does the work once for each and tells of it in plain lines', async () => {
    const { out, err, worked, error } = await ran([], ['--all'])
    expect(error).toBeUndefined()
    expect(worked.toSorted()).toEqual(IDS)
    expect(out.toSorted()).toEqual(IDS.map((id) => `${id}: did ${id}`))
    expect(err).toEqual([])
  })

  it('begins no further one after a failure, and says how many are left', async () => {
    const { err, worked, error } = await ran(['globex'], ['--all', '--concurrency', '1'])
    expect(worked).toEqual(['acme', 'globex'])
    expect(err).toEqual(['failed: globex: globex will not'])
    expect(error).toMatchObject({
      message: '1 of 5 tenants failed. 3 were not begun: --continue-on-error goes on.',
    })
  })

  it('goes on with --continue-on-error, and still fails', async () => {
    const { worked, error } = await ran(['globex', 'hooli'], ['--all', '--continue-on-error'])
    expect(worked.toSorted()).toEqual(IDS)
    expect(error).toMatchObject({ code: 'precondition_failed', message: '2 of 5 tenants failed.' })
  })

  it('only names them with --dry-run', async () => {
    const { out, worked } = await ran([], ['--tenant', 'hooli,acme', '--dry-run'])
    expect([out, worked]).toEqual([['hooli', 'acme'], []])
  })

  it('answers in JSON what became of each, in their order', async () => {
    const { out } = await ran(['globex'], ['--all', '--concurrency', '1', '--json'])
    expect(JSON.parse(out.join(''))).toEqual([
      { tenant: 'acme', outcome: 'done', result: 'did acme' },
      { tenant: 'globex', outcome: 'failed', code: 'precondition_failed', error: 'globex will not' },
      ...['hooli', 'initech', 'umbrella'].map((id) => ({ tenant: id, outcome: 'not_begun' })),
    ])
  })

  it('draws a bar on a terminal, makes room for what it tells, and wipes it at the end', async () => {
    const { drawn, out } = await ran([], ['--all', '--concurrency', '1'], true)
    expect(out).toHaveLength(5)
    expect(drawn.at(-1)).toBe('')
    expect(drawn).toContain('trying  [==============================] 5 of 5, 100 %')
    expect(drawn.every((text) => text.length < 60)).toBe(true)
  })

  it('says when no tenant is meant', async () => {
    const { err, error } = await ran([], ['--label', 'plan=none'])
    expect([err, error]).toEqual([['no tenant is selected'], undefined])
  })

  it.each([
    ['--concurrency', '0'],
    ['--concurrency', 'x'],
    ['--concurrency', '65'],
  ])('refuses %s %s', async (...option) => {
    const { worked, error } = await ran([], ['--all', ...option])
    expect([worked, error instanceof Error]).toEqual([[], true])
  })
})

describe('progress', () => {
  it('is a line at each tenth where there is no terminal', () => {
    const err: string[] = []
    const cli: CommandLine = {
      variables: {},
      print: () => undefined,
      note: (line) => err.push(line),
      readInput: async () => '',
    }
    using progress = new Progress(cli, 'import')
    for (let done = 0; done <= 1_000; done += 50) progress.show(done, 1_000)
    expect(err).toHaveLength(10)
    expect([err[0], err.at(-1)]).toEqual(['import: 100 of 1000', 'import: 1000 of 1000'])
  })

  it('is drawn only where a terminal can draw', () => {
    const written: string[] = []
    const output = { isTTY: true, columns: 80, write: (text: string) => written.push(text) }
    terminalOf(output, { TERM: 'xterm' })?.draw('half')
    expect(written).toEqual(['\r\u001b[2Khalf'])
    expect(terminalOf({ ...output, isTTY: false }, { TERM: 'xterm' })).toBeUndefined()
    expect(terminalOf(output, { TERM: 'dumb' })).toBeUndefined()
    expect(terminalOf(output, { TERM: 'xterm', CI: 'true' })).toBeUndefined()
  })
})

describe('side by side', () => {
  it('has never more at once than it may, and answers in order', async () => {
    let running = 0
    let most = 0
    const double = async (item: number) => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return item * 2
    }
    expect(await sideBySide([1, 2, 3, 4, 5, 6, 7], 3, double)).toEqual([2, 4, 6, 8, 10, 12, 14])
    expect(most).toBe(3)
  })

  it('begins none after one that threw, and waits for those under way', async () => {
    const begun: number[] = []
    const ended: number[] = []
    const work = async (item: number) => {
      begun.push(item)
      await new Promise((resolve) => setImmediate(resolve))
      if (item === 1) throw new Error('one')
      await new Promise((resolve) => setImmediate(resolve))
      ended.push(item)
    }
    await expect(sideBySide([1, 2, 3, 4], 2, work)).rejects.toThrow('one')
    expect([begun, ended]).toEqual([[1, 2], [2]])
  })
})
