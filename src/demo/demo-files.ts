import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { generateMasterKey } from '../registry/master-keys.ts'

const Card = z.object({
  url: z.string(),
  opsUrl: z.string(),
  operatorKey: z.string(),
  serviceKey: z.string(),
  tenants: z.record(z.string(), z.object({ key: z.string() })),
})
/** What `demo.json` holds: where the demo is, and keys to it. */
export type Card = z.output<typeof Card>

/** The demo's folder: everything in it is for its owner only, and is kept between runs. */
export class DemoFiles {
  readonly folder: string
  readonly card: string
  readonly settings: string
  readonly schema: string
  readonly registry: string
  readonly postgres: string
  readonly masterKey: string
  readonly adminKey: string
  /** Tells which cluster and which keys the registry was written with. */
  readonly #origin: string

  constructor(folder: string) {
    this.folder = resolve(folder)
    this.card = join(this.folder, 'demo.json')
    this.settings = join(this.folder, 'demo.env')
    this.schema = join(this.folder, 'schema.sql')
    this.registry = join(this.folder, 'registry.yaml')
    this.postgres = join(this.folder, 'postgres')
    this.masterKey = join(this.folder, 'master.key')
    this.adminKey = join(this.folder, 'admin.key')
    this.#origin = join(this.folder, 'cluster')
  }

  /** Makes the folder and the keys that are not there. Safe beside another demo that starts in the same folder. */
  prepare(): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    chmodSync(this.folder, 0o700)
    for (const path of [this.masterKey, this.adminKey]) {
      if (!existsSync(path)) this.#writeNew(path, `${generateMasterKey().reveal()}\n`)
    }
  }

  /**
   * A registry that tells of the tenants of another cluster, or is sealed under keys that are gone, is set
   * aside, and the demo begins anew.
   * @returns a remark for the user where that was so.
   */
  forgetOthers(systemIdentifier: string): string | undefined {
    const origin = `${systemIdentifier}\n${this.#keysFingerprint()}`
    const before = existsSync(this.#origin) ? readFileSync(this.#origin, 'utf8') : ''
    if (before === origin) return undefined
    const isUseless = existsSync(this.registry)
    if (isUseless) renameSync(this.registry, `${this.registry}.${Date.now()}.lost`)
    this.write(this.#origin, origin)
    const what = before.startsWith(`${systemIdentifier}\n`) ? 'the keys' : 'the data of Postgres'
    return isUseless
      ? `${what} of the last run are gone: beginning anew, the old registry is kept`
      : undefined
  }

  /** On disk, not in memory: a start that fails after it made keys must not hide that they are new. */
  #keysFingerprint(): string {
    const digest = createHash('sha256')
    for (const path of [this.masterKey, this.adminKey]) digest.update(readFileSync(path))
    return digest.digest('hex')
  }

  /** Undefined where it is lost or damaged. */
  readCard(): Card | undefined {
    try {
      return Card.parse(JSON.parse(readFileSync(this.card, 'utf8')))
    } catch {
      return undefined
    }
  }

  writeCard(card: Card): void {
    this.write(this.card, `${JSON.stringify(card, null, 2)}\n`)
  }

  /** Whole or not at all: whoever reads it meanwhile sees the file of before. */
  write(path: string, text: string): void {
    const half = `${path}.${process.pid}.half`
    writeFileSync(half, text, { mode: 0o600 })
    renameSync(half, path)
  }

  /** As `write`; what another process wrote first stays. */
  #writeNew(path: string, text: string): void {
    const half = `${path}.${process.pid}.half`
    writeFileSync(half, text, { mode: 0o600 })
    try {
      linkSync(half, path)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    } finally {
      rmSync(half)
    }
  }
}
