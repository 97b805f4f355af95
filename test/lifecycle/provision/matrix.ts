import pg from 'pg'
import { issueCredential } from '../../../src/lifecycle/credentials/issue-credential.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { type LifecycleGround, sqlstateOf } from '../ground.ts'

/** Where every role may go until their owner, a superuser, closes them: `server add` warns of each. */
export const OPEN_TO_ALL = ['postgres', 'template1'] as const

/** Of a database that is not there yet, accepts nobody yet, or lets this role not in. */
const REFUSED = ['3D000', '55000', '42501']

const enter = async (ground: LifecycleGround, id: string, database: string) =>
  (await sqlstateOf(ground.connect(id, database).then((client) => client.end()))) ?? 'in'

/** As a person with a credential of the tenant. */
async function enterByHand(dsn: string, database: string): Promise<string> {
  const client = new pg.Client(Object.assign(new URL(dsn), { pathname: `/${database}`, search: '' }).href)
  const outcome = (await sqlstateOf(client.connect())) ?? 'in'
  await client.end()
  return outcome
}

export interface Doors {
  /** Steps of the tenant that was made meanwhile after which somebody was let in. */
  readonly early: readonly string[]
  readonly stepsTried: readonly string[]
  /** Logins that went otherwise than they are meant to. */
  readonly wrong: readonly string[]
  readonly tried: number
}

/**
 * Each tenant's credentials, its router's and a person's, against every tenant's database and the server's own; and
 * against the database of one that is being made, after each of its steps.
 * @param closed whether the owner of the server's own databases closed them.
 * @param persons of how many tenants try, too.
 */
export async function tryEveryDoor(
  ground: LifecycleGround,
  count: number,
  closed: boolean,
  persons = count,
): Promise<Doors> {
  const parts = { ...ground.parts, scramIterations: 1 }
  const ids = Array.from({ length: count - 1 }, (_, n) => `tenant-${n}`)
  for (const id of ids) await provisionTenant(parts, { id }, 'test')
  const early: string[] = []
  const onStep = async ({ name }: { name: string }) => {
    const { database } = (await ground.tenant('last')).route
    for (const id of ids) early.push(`${name}: ${await enter(ground, id, database)}`)
  }
  await provisionTenant({ ...parts, onStep }, { id: 'last' }, 'test')
  ids.push('last')
  const people = ids.slice(0, persons)
  const doors = new Map<string, string>(OPEN_TO_ALL.map((name) => [name, name]))
  for (const id of ids) doors.set(id, (await ground.tenant(id)).route.database)
  const wrong: string[] = []
  for (const id of ids) {
    const person = people.includes(id) ? await issueCredential(parts, id, {}, 'test') : undefined
    for (const [door, database] of doors) {
      const isOpen = id === door || (!closed && !ids.includes(door))
      const found = [await enter(ground, id, database)]
      if (person) found.push(await enterByHand(person.dsn.reveal(), database))
      if (found.some((outcome) => outcome !== (isOpen ? 'in' : '42501')))
        wrong.push(`${id} into ${door}: ${found.join(', by hand ')}`)
    }
  }
  return {
    early: early.filter((text) => !REFUSED.includes(text.split(': ')[1] ?? '')),
    stepsTried: [...new Set(early.map((text) => text.split(': ')[0] ?? ''))],
    wrong,
    tried: early.length + (ids.length + people.length) * doors.size,
  }
}

const STEPS = ['roles', 'database', 'open', 'furnish']

export const shut = (count: number, people = count): Doors => ({
  early: [],
  stepsTried: STEPS,
  wrong: [],
  tried: STEPS.length * (count - 1) + (count + people) * (count + OPEN_TO_ALL.length),
})
