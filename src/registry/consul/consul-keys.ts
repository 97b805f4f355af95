import type { Kind } from '../registry.ts'

/** Where things are under a prefix. Names in keys are escaped: Consul's HTTP server cleans `..` and `//` away. */
export class ConsulKeys {
  readonly #prefix: string

  /** @param prefix ends with `/`. */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Id and schema version of the registry. */
  get meta(): string {
    return `${this.#prefix}meta`
  }

  /** The generation given last. */
  get generation(): string {
    return `${this.#prefix}generation`
  }

  /** The revision given last and the last changes; every commit writes it, so they take turns. */
  get log(): string {
    return `${this.#prefix}log`
  }

  entry(kind: Kind, id: string): string {
    return this.entries(kind) + escape(id)
  }

  /** The folder of all entries of a kind. */
  entries(kind: Kind): string {
    return `${this.#prefix}entry/${kind}/`
  }

  /** Says that an alias, key or operation belongs to a tenant; its value is empty. */
  belonging(tenant: string, kind: Kind, id: string): string {
    return this.belongings(tenant, kind) + escape(id)
  }

  belongings(tenant: string, kind: Kind): string {
    return `${this.#prefix}of/${escape(tenant)}/${kind}/`
  }

  /**
   * One for each commit, in order of revision, and of sealed ones in order of their links.
   * @param mark of unsealed ones: tells those of one revision apart.
   */
  audit(revision: number, { link, mark }: { readonly link?: number; readonly mark?: string }): string {
    const name = `${this.audits}${String(revision).padStart(15, '0')}`
    if (link !== undefined) return `${name}.${String(link).padStart(15, '0')}`
    return mark === undefined ? name : `${name}-${mark}`
  }

  /** The folder of all entries of the audit, and of their head. */
  get audits(): string {
    return `${this.#prefix}audit/`
  }

  /** The last link of the audit. */
  get auditHead(): string {
    return `${this.audits}head`
  }
}

/** The last part of an entry's key, as `entry` and `belonging` write it. */
export function idOfKey(key: string): string {
  return decodeURIComponent(key.slice(key.lastIndexOf('/') + 1))
}

function escape(id: string): string {
  // By bytes, unlike encodeURIComponent, which leaves dots and throws on half of a surrogate pair.
  let escaped = ''
  for (const byte of Buffer.from(id)) {
    const letter = String.fromCharCode(byte)
    escaped += /[\w-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return escaped
}
