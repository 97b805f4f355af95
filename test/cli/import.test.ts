import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fleet, type Member } from '../lifecycle/import/fleet.ts'
import { Terminal } from './terminal.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.start(18, { size: 3, databases: 3 })
})
afterAll(() => fleet[Symbol.asyncDispose]())

const text = () => fleet.csv('label.batch', () => 'may')
const [first, second] = [0, 1]
const member = (index: number): Member | undefined => fleet.members[index]

/** A command line whose registry is empty, and a list of the fleet. */
async function started() {
  const terminal = new Terminal()
  const folder = mkdtempSync(join(fleet.ground.folder, 'cli-'))
  await terminal.run(['init', folder])
  const list = join(folder, 'tenants.csv')
  writeFileSync(list, text())
  const run = (args: readonly string[], input?: string) =>
    terminal.run([...args, '--env-file', join(folder, 'tenantry.env')], input)
  return { terminal, list, run }
}

describe('tenantry tenant import', () => {
  it('takes a fleet in from a file, again from standard input, and gives it back', async () => {
    const { terminal, list, run } = await started()
    const dry = await run(['tenant', 'import', list, '--dry-run', '--probe'])
    expect(dry).toMatchObject({
      code: 0,
      out: expect.stringMatching(/3 would be imported, 0 there already, 0 refused$/),
    })
    expect((await run(['tenant', 'list', '--json'])).out).toBe('[]')
    const done = await run(['tenant', 'import', list])
    expect(done).toMatchObject({ code: 0, out: '3 imported, 0 there already, 0 refused', err: '' })
    const again = await run(['tenant', 'import', '-', '--format', 'csv'], text())
    expect(again).toMatchObject({ code: 0, out: '0 imported, 3 there already, 0 refused' })
    expect((await run(['operation', 'list'])).out).toMatch(/import +- +done/)

    const unsaid = await run(['tenant', 'unregister', '--label', 'batch=may'])
    expect(unsaid).toMatchObject({ code: 2, err: expect.stringMatching(/3 tenants would be .* --yes 3/) })
    const undone = await run(['tenant', 'unregister', '--label', 'batch=may', '--yes', '3'])
    expect(undone).toMatchObject({ code: 0, err: '' })
    expect(undone.out.split('\n').toSorted()).toEqual(fleet.members.map(({ id }) => `${id} unregistered`))
    expect((await run(['tenant', 'list', '--json'])).out).toBe('[]')
    expect(terminal.said).not.toContain(fleet.password)
  })

  it('ends with 1 where some rows are refused, and says which', async () => {
    const { terminal, list, run } = await started()
    const role = member(second)?.role
    await fleet.whileTrue(`alter role ${role} nologin`, `alter role ${role} login`, async () => {
      const ran = await run(['tenant', 'import', list])
      expect(ran).toMatchObject({ code: 1, out: '2 imported, 0 there already, 1 refused' })
      expect(ran.err).toMatch(/^refused: line 3, t-0001: .*\nerror: 1 of 3 rows were refused\.$/)
      const json = await run(['tenant', 'import', list, '--json'])
      const rows = [{ outcome: 'there' }, { outcome: 'refused' }, { outcome: 'there' }]
      expect(JSON.parse(json.out)).toMatchObject({ total: 3, rows })
    })
    expect(terminal.said).not.toContain(fleet.password)
  })

  it('ends with 2 where the list has faults, told at once, dry or not', async () => {
    const { terminal, list, run } = await started()
    const rows = [`Acme,${member(first)?.dsn},red`, `globex,postgres://u:${fleet.password}@h:x/d,red`]
    writeFileSync(list, ['id,dsn,colour', ...rows].join('\n'))
    for (const options of [[], ['--dry-run']]) {
      const ran = await run(['tenant', 'import', list, ...options])
      expect(ran.code).toBe(2)
      expect(ran.out).not.toContain('would be imported')
      expect(ran.err).toMatch(
        /3 faults.*:\n {2}line 1: "colour".*\n {2}line 2: id.*\n {2}line 3: dsn: .*the port/,
      )
    }
    const unnamed = await run(['tenant', 'import', '-'])
    expect(unnamed).toMatchObject({ code: 2, err: expect.stringContaining('--format csv') })
    const absent = await run(['tenant', 'import', 'absent.csv'])
    expect(absent).toMatchObject({ code: 2, err: expect.stringMatching(/ENOENT/) })
    expect(terminal.said).not.toContain(fleet.password)
  })

  it('draws how far it is on a terminal, and leaves nothing drawn', async () => {
    const { terminal, list, run } = await started()
    const drawn: string[] = []
    terminal.drawing((line) => drawn.push(line))
    expect(await run(['tenant', 'import', list])).toMatchObject({ code: 0, err: '' })
    expect(drawn).toContain('import  [==============================] 3 of 3, 100 %')
    expect(drawn.at(-1)).toBe('')
  })
})
