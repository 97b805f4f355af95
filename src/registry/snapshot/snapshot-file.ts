import { createHmac, type Hmac, timingSafeEqual } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { z } from 'zod'
import { SnapshotRefusedError } from '../../errors.ts'
import { Secret } from '../../secret.ts'
import { withFileLock } from '../file/file-lock.ts'
import { readWholeFile, replaceFile } from '../file/whole-file.ts'
import type { MasterKeys } from '../master-keys.ts'
import {
  formatEntry,
  parseEntry,
  SNAPSHOT_VERSION,
  type Snapshot,
  type SnapshotEntry,
  SnapshotHeader,
} from './snapshot.ts'

const PURPOSE = 'snapshot|v1'
const MAX_BYTES = 32 * 1024 * 1024
/** Entries between two looks at what else this process has to do. */
const AT_ONCE = 200

const TRAILER_BYTES = 100
const Trailer = z.object({ hmacSha256: z.base64url() })

/**
 * A file with what a directory held: a header, a line for each record, and a signature over both. It holds no
 * secret that is not sealed, and of API keys only the hashes. Mode 600, written whole or not at all.
 */
export class SnapshotFile {
  readonly #path: string
  readonly #keys: MasterKeys
  readonly #source: string
  readonly #maxBytes: number

  /** @param source URL of the registry that the snapshot is of. */
  constructor(path: string, keys: MasterKeys, source: string | Secret, maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes
    this.#path = path
    this.#keys = keys
    this.#source = withoutCredentials(source instanceof Secret ? source.reveal() : source)
  }

  /**
   * Undefined where there is none.
   * @throws {SnapshotRefusedError} when it is not whole, not signed by our key, of another registry or of a newer version.
   */
  async read(): Promise<Snapshot | undefined> {
    const text = await this.#text()
    if (text === undefined) return undefined
    const [first = ''] = text.split('\n', 1)
    const header = this.#headerOf(first)
    const signedTo = text.lastIndexOf('\n', text.length - 2) + 1
    this.#refuseUnsigned(header.kid, text.slice(0, signedTo), text.slice(signedTo))
    if (header.source !== this.#source) throw this.#refused(`it is of the registry at ${header.source}`)
    const entries: SnapshotEntry[] = []
    for (const line of text.slice(first.length + 1, signedTo - 1).split('\n')) {
      const entry = entryOf(line)
      if (entry !== undefined) entries.push(entry)
      if (entries.length % AT_ONCE === 0) await turn()
    }
    return { registry: header.registry, writtenAt: header.writtenAt, entries }
  }

  /** Entries beyond the bound of the file's size, the least recently used ones, are left out. */
  async write({ registry, writtenAt, entries }: Snapshot): Promise<void> {
    const { kid, key } = this.#keys.derive(PURPOSE)
    const source = this.#source
    const header: SnapshotHeader = { tenantrySnapshot: SNAPSHOT_VERSION, kid, registry, source, writtenAt }
    const lines = [`${JSON.stringify(header)}\n`]
    const hmac = createHmac('sha256', key).update(lines[0] ?? '')
    let bytes = (lines[0]?.length ?? 0) + TRAILER_BYTES
    for (const entry of entries) {
      const line = `${formatEntry(entry)}\n`
      bytes += Buffer.byteLength(line)
      if (bytes > this.#maxBytes) break
      lines.push(line)
      hmac.update(line)
      if (lines.length % AT_ONCE === 0) await turn()
    }
    lines.push(trailerOf(hmac))
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    // Processes that share the file take turns.
    await withFileLock(this.#path, async (refuseLost) => {
      await replaceFile(this.#path, lines.join(''), async () => refuseLost())
    })
  }

  async #text(): Promise<string | undefined> {
    try {
      const file = await stat(this.#path)
      // To open a pipe waits for whoever writes to it.
      if (!file.isFile()) throw this.#refused('it is not a file')
      const { size } = file
      if (size > this.#maxBytes)
        throw this.#refused(`it has ${size} bytes, at most ${this.#maxBytes} are read`)
      return (await readWholeFile(this.#path)).text
    } catch (error) {
      if (error instanceof SnapshotRefusedError) throw error
      const code = error instanceof Error && 'code' in error ? error.code : 'unknown'
      if (code === 'ENOENT') return undefined
      throw this.#refused(`it cannot be read (${String(code)})`)
    }
  }

  #headerOf(line: string): SnapshotHeader {
    const header = SnapshotHeader.safeParse(parseJson(line))
    if (!header.success) throw this.#refused('it is not a snapshot, or cut')
    if (header.data.tenantrySnapshot > SNAPSHOT_VERSION) {
      throw this.#refused(
        `it is of version ${header.data.tenantrySnapshot}, this process knows up to ${SNAPSHOT_VERSION}`,
      )
    }
    return header.data
  }

  #refuseUnsigned(kid: string, signed: string, last: string): void {
    const trailer = Trailer.safeParse(parseJson(last))
    if (!trailer.success) throw this.#refused('it is cut')
    const expected = createHmac('sha256', this.#keyOf(kid)).update(signed).digest()
    const found = Buffer.from(trailer.data.hmacSha256, 'base64url')
    if (found.length !== expected.length || !timingSafeEqual(found, expected)) {
      throw this.#refused('its signature is wrong')
    }
  }

  #keyOf(kid: string): Buffer {
    try {
      return this.#keys.derive(PURPOSE, kid).key
    } catch {
      throw this.#refused('it was signed with a master key that this process does not have')
    }
  }

  #refused(why: string): SnapshotRefusedError {
    return new SnapshotRefusedError(`the snapshot ${this.#path} is not used: ${why}`)
  }
}

/** Undefined for what another version wrote and this one cannot read: the others are of use all the same. */
function entryOf(line: string): SnapshotEntry | undefined {
  try {
    return parseEntry(line)
  } catch {
    return undefined
  }
}

function trailerOf(hmac: Hmac): string {
  return `${JSON.stringify({ hmacSha256: hmac.digest('base64url') })}\n`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Passwords and tokens are changed while the registry stays the same one. */
function withoutCredentials(url: string): string {
  const text = url.trim()
  return text.startsWith('file:') ? text : text.replace(/\/\/[^/]*@/, '//').replace(/\?.*$/, '')
}
