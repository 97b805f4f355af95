import { type FileHandle, open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { refuseAborted } from '../abort.ts'
import type { AuditKey } from '../audit/audit-key.ts'
import {
  type AuditDraft,
  type AuditHead,
  KeptAudit,
  NO_HEAD,
  passesTrail,
  type TrailEntry,
  type TrailFilter,
  type TrailPage,
} from '../audit/audit-trail.ts'
import { pageSize } from '../list-filter.ts'
import { appendLine } from './whole-file.ts'
import { type Line, linesBefore, linesFrom } from './whole-lines.ts'

/** How the file ended when it had this size. */
interface Tail {
  readonly size: number
  readonly head: AuditHead
  readonly last: KeptAudit | undefined
}

/**
 * The audit of a registry file: a line for each commit, on disk before the change is, and beside it the last link. Whoever
 * writes holds the lock of the registry's file; whoever reads needs none. Cursors are where lines begin.
 */
export class AuditFile {
  readonly #path: string
  readonly #headPath: string
  readonly #key: AuditKey | undefined
  readonly #registry: string
  /** As this process has left it, or found it. */
  #tail: Tail | undefined

  /** @param registry its id. */
  constructor(registryPath: string, key: AuditKey | undefined, registry: string) {
    this.#path = `${registryPath}.audit.jsonl`
    this.#headPath = `${registryPath}.audit.head`
    this.#key = key
    this.#registry = registry
  }

  /**
   * Says what is about to be done.
   * @param next revision of the registry after it; `present`: before it.
   */
  async note(draft: AuditDraft, next: number, present: number): Promise<void> {
    let tail = await this.#present()
    const { last } = tail
    // Whoever wrote that ended before the change was on disk.
    if (last !== undefined && last.revision > present)
      tail = await this.#append(tail, undoneOf(last, last.revision, present))
    this.#tail = await this.#append(tail, { ...draft, revision: next })
  }

  /** Says that what was noted last was not done. */
  async undone(draft: AuditDraft, next: number, present: number): Promise<void> {
    this.#tail = await this.#append(await this.#present(), undoneOf(draft, next, present))
  }

  async page(cursor?: string, filter: TrailFilter = {}, signal?: AbortSignal): Promise<TrailPage> {
    // Before the lines: they may then be newer than the head, never older.
    const head = await this.#readHead()
    const size = pageSize(filter)
    const found: TrailEntry[] = []
    await this.#reading(async (file) => {
      for await (const line of linesAfter(file, cursor, filter)) {
        refuseAborted(signal)
        const entry = { position: String(line.offset), audit: auditOf(line.text) }
        if (passesTrail(entry.audit, filter)) found.push(entry)
        // One more than the page holds, to know whether there is a next one.
        if (found.length > size) break
      }
    })
    const entries = found.slice(0, size)
    return { entries, next: found.length > size ? entries.at(-1)?.position : undefined, head }
  }

  async #append(tail: Tail, entry: AuditDraft & { readonly revision: number }): Promise<Tail> {
    const audit = this.#key?.sealed(entry, tail.head, this.#registry) ?? { ...entry, seal: null }
    const line = JSON.stringify(audit)
    await appendLine(this.#path, line)
    const size = tail.size + Buffer.byteLength(line) + 1
    if (audit.seal === null) return { size, head: tail.head, last: audit }
    const { link, mac } = audit.seal
    // Without waiting for the disk: one that is behind is no fault, and cut off it is none.
    await writeFile(this.#headPath, JSON.stringify({ link, mac }), { mode: 0o600 })
    return { size, head: { link, mac }, last: audit }
  }

  /** Reads the file's end where another process has added to it. */
  async #present(): Promise<Tail> {
    const size = await sizeOf(this.#path)
    if (this.#tail?.size === size) return this.#tail
    if (size === 0) return { size, head: await this.#readHead(), last: undefined }
    const whole = await this.#cutHalfLine(size)
    let last: KeptAudit | undefined
    let sealed: KeptAudit['seal'] = null
    await this.#reading(async (file) => {
      for await (const { text } of linesBefore(file, whole)) {
        const audit = auditOf(text)
        last ??= audit
        sealed = audit?.seal ?? null
        if (sealed !== null || this.#key === undefined) break
      }
    })
    return { size: whole, head: newer(await this.#readHead(), sealed), last }
  }

  /** What a process that ended was writing: what it was about was not begun. */
  async #cutHalfLine(size: number): Promise<number> {
    let end = 0
    await this.#reading(async (file) => {
      for await (const { next } of linesBefore(file, size)) {
        end = next
        break
      }
    })
    if (end < size) await truncate(this.#path, end)
    return end
  }

  async #reading(work: (file: FileHandle) => Promise<void>): Promise<void> {
    const file = await unlessAbsent(open(this.#path, 'r'))
    try {
      if (file !== undefined) await work(file)
    } finally {
      await file?.close()
    }
  }

  async #readHead(): Promise<AuditHead> {
    const text = await unlessAbsent(readFile(this.#headPath, 'utf8'))
    const head = text === undefined ? undefined : parsed(text)
    if (typeof head !== 'object' || head === null || !('link' in head) || !('mac' in head)) return NO_HEAD
    const { link, mac } = head
    return Number.isSafeInteger(link) && typeof mac === 'string' ? { link: Number(link), mac } : NO_HEAD
  }
}

function linesAfter(file: FileHandle, cursor: string | undefined, { order }: TrailFilter) {
  const at = cursor !== undefined && /^\d{1,15}$/.test(cursor) ? Number(cursor) : undefined
  return order === 'oldest' ? linesBeyond(file, at) : upTo(file, at)
}

async function* linesBeyond(file: FileHandle, at: number | undefined): AsyncGenerator<Line> {
  for await (const line of linesFrom(file, at ?? 0)) if (line.offset !== at) yield line
}

async function* upTo(file: FileHandle, at: number | undefined): AsyncGenerator<Line> {
  yield* linesBefore(file, at ?? (await file.stat()).size)
}

function undoneOf(
  { action, target, tenant }: Pick<AuditDraft, 'action' | 'target' | 'tenant'>,
  revision: number,
  present: number,
): AuditDraft & { readonly revision: number } {
  const detail = { action, revision }
  const at = new Date().toISOString()
  return { actor: 'registry', action: 'registry.undone', target, tenant, at, detail, revision: present }
}

function newer(head: AuditHead, seal: KeptAudit['seal']): AuditHead {
  return seal !== null && seal.link > head.link ? { link: seal.link, mac: seal.mac } : head
}

function auditOf(line: string): KeptAudit | undefined {
  const audit = KeptAudit.safeParse(parsed(line))
  return audit.success ? audit.data : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await unlessAbsent(stat(path)))?.size ?? 0
}

async function unlessAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
