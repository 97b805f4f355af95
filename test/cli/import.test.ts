import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Fleet } from '../lifecycle/import/fleet.ts'
import { Terminal } from './terminal.ts'

/** A fleet, and a command line whose registry is empty. */
async function started(size: number, draw?: (text: string) => void) {
  const fleet = await Fleet.start(18, { size, databases: size })
  const terminal = new Terminal()
  if (draw) terminal.drawing(draw)
  const { folder } = fleet.ground
  await terminal.run(['init', folder])
  const common = [
    '--env-file',
    join(folder, 'tenantry.env'),
    '--registry',
    `file:${join(folder, 'cli.yaml')}`,
  ]
  const list = join(folder, 'tenants.csv')
  writeFileSync(
    list,
    fleet.csv('label.batch', () => 'may'),
  )
  const run = (args: readonly string[], input?: string) => terminal.run([...args, ...common], input)
  return { fleet, terminal, list, run }
}

describe('tenantry tenant import', () => {
  it('takes a fleet in from a file, again from standard input, and gives it back', async () => {
    const { fleet, terminal, list, run } = await started(3)
    await using _fleet = fleet
    const dry = await run(['tenant', 'import', list, '--dry-run', '--probe'])
    expect(dry).toMatchObject({
      code: 0,
      out: expect.stringMatching(/3 would be imported, 0 there already, 0 refused$/),
    })
    expect((await run(['tenant', 'list', '--json'])).out).toBe('[]')
    const done = await run(['tenant', 'import', list])
    expect(done).toMatchObject({ code: 0, out: '3 imported, 0 there already, 0 refused', err: '' })
    const again = await run(
      ['tenant', 'import', '-', '--format', 'csv'],
      fleet.csv('label.batch', () => 'may'),
    )
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
    const { fleet, terminal, list, run } = await started(2)
    await using _fleet = fleet
    await fleet.ground.server.execute(`alter role ${fleet.members[1]?.role} nologin`)
    const ran = await run(['tenant', 'import', list])
    expect(ran).toMatchObject({ code: 1, out: '1 imported, 0 there already, 1 refused' })
    expect(ran.err).toMatch(/^refused: line 3, t-0001: .*\nerror: 1 of 2 rows were refused\.$/)
    const json = await run(['tenant', 'import', list, '--json'])
    expect(JSON.parse(json.out)).toMatchObject({
      total: 2,
      rows: [{ outcome: 'there' }, { outcome: 'refused' }],
    })
    expect(terminal.said).not.toContain(fleet.password)
  })

  it('ends with 2 where the list has faults, told at once, dry or not', async () => {
    const { fleet, terminal, list, run } = await started(1)
    await using _fleet = fleet
    writeFileSync(
      list,
      `id,dsn,colour\nAcme,${fleet.members[0]?.dsn},red\nglobex,postgres://u:${fleet.password}@h:x/d,red\n`,
    )
    for (const options of [[], ['--dry-run']]) {
      const ran = await run(['tenant', 'import', list, ...options])
      expect(ran.code).toBe(2)
      expect(ran.err).toMatch(
        /3 faults.*:\n {2}line 1: "colour".*\n {2}line 2: id.*\n {2}line 3: dsn: .*the port/,
      )
    }
    expect(await run(['tenant', 'import', join(fleet.ground.folder, 'list')])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--format csv'),
    })
    expect(await run(['tenant', 'import', 'absent.csv'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/ENOENT/),
    })
    expect(terminal.said).not.toContain(fleet.password)
  })

  it('draws how far it is on a terminal, and leaves nothing drawn', async () => {
    const drawn: string[] = []
    const { fleet, list, run } = await started(2, (text) => drawn.push(text))
    await using _fleet = fleet
    expect(await run(['tenant', 'import', list])).toMatchObject({ code: 0, err: '' })
    expect(drawn).toContain('import  [==============================] 2 of 2, 100 %')
    expect(drawn.at(-1)).toBe('')
  })
})
