import {
  InvalidConfigError,
  RegistryTooNewError,
  RegistryUnavailableError,
  TenantryError,
} from '../../errors.ts'
import { withFileLock } from './file-lock.ts'
import { emptyState, type FileState, refuseShrunken, takeOver } from './file-state.ts'
import { SCHEMA_VERSION } from './registry-document.ts'
import { formatRegistry, parseRegistryText } from './registry-text.ts'
import { type FileContent, fingerprintOf, readWholeFile, replaceFile } from './whole-file.ts'

/** What is on disk before a change is, and what is said where the change then cannot be written. */
export interface Intent {
  note(next: FileState, present: FileState): Promise<void>
  undone(next: FileState, present: FileState): Promise<void>
}

interface Seen {
  readonly state: FileState
  /** Of the file whose content `state` is. */
  readonly fingerprint: string
}

/**
 * The registry's file and the last good state read from it. Any process may write the file at any time;
 * ours do so under its lock, hands do not. A file that cannot be understood changes nothing: `state` stays,
 * and `fault` says why.
 */
export class RegistryFile {
  readonly #path: string
  readonly #maxChanges: number
  #seen: Seen
  #fault: { readonly error: Error; readonly fingerprint: string } | undefined
  #looking: Promise<void> | undefined
  #lookingNext: Promise<void> | undefined
  /** While a file of ours takes the place of the one before. Never rejects. */
  #replacing: Promise<void> | undefined
  /** The last of our own updates: they queue here, so that one process takes turns with itself in order. */
  #updating: Promise<unknown> = Promise.resolve()

  private constructor(path: string, maxChanges: number, seen: Seen) {
    this.#path = path
    this.#maxChanges = maxChanges
    this.#seen = seen
  }

  /**
   * Makes the file where there is none.
   * @throws {InvalidConfigError} when the file is faulty. {RegistryTooNewError} {RegistryUnavailableError}
   */
  static async open(path: string, maxChanges: number): Promise<RegistryFile> {
    const seen = await withFileLock(path, async (refuseLost): Promise<Seen> => {
      const content = (await fingerprintOf(path)) === undefined ? undefined : await readWholeFile(path)
      const { state, stamped } =
        content === undefined
          ? { state: emptyState(), stamped: true }
          : takeOver(undefined, parseRegistryText(content.text, path), maxChanges)
      if (content !== undefined && !stamped) return { state, fingerprint: content.fingerprint }
      const fingerprint = await replaceFile(path, formatRegistry(state), async () => refuseLost())
      return { state, fingerprint }
    })
    return new RegistryFile(path, maxChanges, seen)
  }

  get state(): FileState {
    return this.#seen.state
  }

  /** Why what the file says now is not in `state`. */
  get fault(): Error | undefined {
    return this.#fault?.error
  }

  /**
   * Takes over what the file says now; costs one `stat` when that is nothing new.
   * @throws {RegistryUnavailableError} when it cannot be read.
   */
  refresh(): Promise<void> {
    if (this.#looking === undefined) return this.#startLook()
    // The look under way may have begun before what the caller wants to see: a further one serves all who wait.
    this.#lookingNext ??= this.#looking
      .catch(() => {})
      .then(() => {
        this.#lookingNext = undefined
        return this.#startLook()
      })
    return this.#lookingNext
  }

  /**
   * Writes what `change` makes of the present state, unless it throws.
   */
  update(change: (state: FileState) => FileState, intent?: Intent): Promise<FileState> {
    const updated = this.#updating.then(() =>
      withFileLock(this.#path, (lost) => this.#write(lost, change, intent)),
    )
    this.#updating = updated.catch(() => {})
    return updated
  }

  /** Resolves when no update of ours is under way. */
  async settled(): Promise<void> {
    await this.#updating
    await this.#lookingNext?.catch(() => {})
    await this.#looking?.catch(() => {})
  }

  #startLook(): Promise<void> {
    const look = this.#look().finally(() => {
      this.#looking = undefined
    })
    this.#looking = look
    return look
  }

  async #look(): Promise<void> {
    const before = this.#seen
    const fingerprint = await this.#available(fingerprintOf(this.#path))
    if (fingerprint === undefined) throw new RegistryUnavailableError(`${this.#path} is not there`)
    if (fingerprint === this.#seen.fingerprint) this.#fault = undefined
    if (fingerprint === this.#seen.fingerprint || fingerprint === this.#fault?.fingerprint) return
    if (this.#replacing !== undefined) {
      // What it says is most likely what we are about to have written: parsing that again costs more than writing it.
      await this.#replacing
      return this.#look()
    }
    const content = await this.#available(readWholeFile(this.#path))
    // An update of ours was quicker: what was read may be older than what it wrote.
    if (this.#seen !== before) return
    const taken = this.#understand(content)
    if (taken === undefined) return
    if (taken.stamped) await this.update((state) => state)
    else this.#seen = { state: taken.state, fingerprint: content.fingerprint }
  }

  async #write(
    refuseLost: () => void,
    change: (state: FileState) => FileState,
    intent: Intent | undefined,
  ): Promise<FileState> {
    const content = await this.#available(readWholeFile(this.#path))
    const taken =
      content.fingerprint === this.#seen.fingerprint
        ? { state: this.#seen.state, stamped: false }
        : this.#understand(content)
    if (taken === undefined) {
      throw new RegistryUnavailableError(`${this.#path} is faulty, nothing is written`, { cause: this.fault })
    }
    const next = change(taken.state)
    if (next === taken.state && !taken.stamped) {
      this.#seen = { state: next, fingerprint: content.fingerprint }
      return next
    }
    await this.#available(intent?.note(next, taken.state) ?? Promise.resolve())
    try {
      const replaced = this.#replace(refuseLost, next, content.fingerprint)
      this.#replacing = replaced.catch(() => {})
      await replaced
      return next
    } catch (error) {
      await undone(intent, next, taken.state, refuseLost)
      throw error
    } finally {
      this.#replacing = undefined
    }
  }

  async #replace(refuseLost: () => void, next: FileState, before: string): Promise<void> {
    const fingerprint = await this.#available(
      replaceFile(this.#path, formatRegistry(next), async () => {
        refuseLost()
        if ((await fingerprintOf(this.#path)) !== before) {
          throw new RegistryUnavailableError(`${this.#path} was changed by hand meanwhile`)
        }
      }),
    )
    this.#seen = { state: next, fingerprint }
  }

  /** @returns undefined for a faulty content, and then `fault` is set. */
  #understand(content: FileContent): { state: FileState; stamped: boolean } | undefined {
    try {
      const read = parseRegistryText(content.text, this.#path)
      if (read.id !== this.state.id) {
        throw new InvalidConfigError([`${this.#path}: id: another registry was put in the place of this one`])
      }
      refuseShrunken(this.state, read, this.#path)
      this.#fault = undefined
      return takeOver(this.state, read, this.#maxChanges)
    } catch (error) {
      if (!(error instanceof InvalidConfigError || error instanceof RegistryTooNewError)) throw error
      this.#fault = { error, fingerprint: content.fingerprint }
      return undefined
    }
  }

  async #available<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (cause) {
      if (cause instanceof RegistryUnavailableError) throw cause
      throw new RegistryUnavailableError(`cannot use ${this.#path}`, { cause })
    }
  }
}

/**
 * The version of the file's schema; 0 where there is none.
 * @throws {InvalidConfigError | RegistryTooNewError | RegistryUnavailableError}
 */
export async function schemaOfFile(path: string): Promise<number> {
  try {
    if ((await fingerprintOf(path)) === undefined) return 0
    parseRegistryText((await readWholeFile(path)).text, path)
    return SCHEMA_VERSION
  } catch (cause) {
    if (cause instanceof TenantryError) throw cause
    throw new RegistryUnavailableError(`cannot use ${path}`, { cause })
  }
}

/** Where that cannot be written either, the next who writes sees by the revisions that it was not done. */
async function undone(
  intent: Intent | undefined,
  next: FileState,
  present: FileState,
  refuseLost: () => void,
): Promise<void> {
  try {
    refuseLost()
    await intent?.undone(next, present)
  } catch {
    // What kept the change from being written is what the caller hears of.
  }
}
