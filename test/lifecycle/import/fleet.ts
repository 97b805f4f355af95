import { join } from 'node:path'
import pg from 'pg'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { FileRegistry } from '../../../src/registry/file/file-registry.ts'
import type { TenantRecord } from '../../../src/tenant/tenant-record.ts'
import { LifecycleGround, randomName } from '../ground.ts'

export interface Member {
  readonly id: string
  readonly database: string
  readonly role: string
  readonly dsn: string
}

/** Databases made by somebody else, each with a role of its own; a few stand for many where only the rows count. */
export class Fleet implements AsyncDisposable {
  readonly ground: LifecycleGround
  readonly members: readonly Member[]
  readonly password: string
  readonly #registries: FileRegistry[] = []
  readonly #roles: readonly string[]
  readonly #databases: readonly string[]

  private constructor(ground: LifecycleGround, members: readonly Member[], password: string) {
    this.ground = ground
    this.members = members
    this.password = password
    this.#roles = [...new Set(members.map(({ role }) => role))]
    this.#databases = [...new Set(members.map(({ database }) => database))]
  }

  /**
   * @param size tenants, spread over `databases`, each with one role for every tenant that lives in it.
   * @param isClosed CONNECT revoked from PUBLIC, granted to the own roles.
   */
  static async start(
    version: 15 | 18,
    { size, databases, isClosed = true }: { size: number; databases: number; isClosed?: boolean },
  ): Promise<Fleet> {
    const ground = await LifecycleGround.start(version)
    const password = randomName('canary')
    const stem = randomName('fleet')
    const names = Array.from({ length: databases }, (_, index) => `${stem}_${index}`)
    const members = Array.from({ length: size }, (_, index): Member => {
      const database = names[index % databases] ?? ''
      const role = `${stem}_role_${index}`
      const id = `t-${String(index).padStart(4, '0')}`
      return { id, database, role, dsn: ground.server.dsn(database, role, password) }
    })
    for (const name of names) await ground.server.createDatabase(name)
    const cheap = version === 18 ? 'set scram_iterations = 1;' : ''
    const roles = members.map(
      ({ role }) => `create role ${role} login password ${pg.escapeLiteral(password)};`,
    )
    const closed = names.map((name) => `revoke connect on database ${name} from public;`)
    const grants = members.map(({ role, database }) => `grant connect on database ${database} to ${role};`)
    await ground.server.execute([cheap, ...roles, ...(isClosed ? [...closed, ...grants] : [])].join('\n'))
    return new Fleet(ground, members, password)
  }

  /** Of an operator who knows none of them yet. */
  async parts(): Promise<LifecycleParts> {
    const registry = await FileRegistry.open(join(this.ground.folder, `${randomName('registry')}.yaml`))
    this.#registries.push(registry)
    return { ...this.ground.parts, registry }
  }

  /** SQL of the superuser, and afterwards what undoes it. */
  async whileTrue<T>(done: string, undone: string, work: () => Promise<T>): Promise<T> {
    await this.ground.server.execute(done)
    try {
      return await work()
    } finally {
      await this.ground.server.execute(undone)
    }
  }

  /** @param extra cells of each row. */
  csv(columns: string, extra: (member: Member, index: number) => string = () => ''): string {
    const rows = this.members.map((member, index) => {
      const cells = extra(member, index)
      return `${member.id},${member.dsn}${cells && `,${cells}`}`
    })
    return [`id,dsn${columns && `,${columns}`}`, ...rows, ''].join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const registry of this.#registries) await registry.close()
    for (const name of this.#databases) await this.ground.server.dropDatabase(name)
    const drops = this.#roles.map((role) => `drop role if exists ${role};`)
    if (drops.length > 0) await this.ground.server.execute(drops.join('\n'))
    await this.ground[Symbol.asyncDispose]()
  }
}

/** Every tenant on record. */
export async function tenantsOf({ registry }: Pick<LifecycleParts, 'registry'>): Promise<TenantRecord[]> {
  const entries: TenantRecord[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await registry.list('tenant', cursor, { limit: 1000 })
    entries.push(...page.entries.map(({ record }) => record))
    if (page.next === undefined) return entries
    cursor = page.next
  }
}
