/** The first byte of each message from the server that something of ours looks at. */
export const Message = {
  authentication: 0x52, // R
  backendKeyData: 0x4b, // K
  readyForQuery: 0x5a, // Z
  errorResponse: 0x45, // E
  dataRow: 0x44, // D
  rowDescription: 0x54, // T
  copyDone: 0x63, // c
  commandComplete: 0x43, // C
  bindComplete: 0x32, // 2
  portalSuspended: 0x73, // s
  emptyQuery: 0x49, // I
  noticeResponse: 0x4e, // N
} as const

export interface MessageVisitor {
  /**
   * At a message's header, before its body has come. True keeps the body for `message`.
   * @param length of the body in bytes.
   */
  header(type: number, length: number): boolean
  message(type: number, body: Buffer): void
}

/**
 * Follows the server's side of the protocol over chunks of any size, beside the driver: it finds where
 * messages begin and keeps the bodies that are asked for. It holds no more than those.
 */
export class MessageReader {
  readonly #header = Buffer.alloc(5)
  #headerBytes = 0
  /** Bytes of the current body that have not come. */
  #left = 0
  #type = 0
  #kept: Buffer[] | undefined
  /** Messages of this type that begin from now on are read over and passed to nobody. */
  #dropped: number | undefined
  /** The current message, its header included, is one of those. */
  #isDropped = false

  /** Until `passAll` the driver sees no further message of the type; one that it has seen the beginning of it sees whole. */
  drop(type: number): void {
    this.#dropped = type
  }

  passAll(): void {
    this.#dropped = undefined
  }

  /**
   * @returns what the driver may see of the chunk
   * @throws {RangeError} at a length that no message can have.
   */
  read(chunk: Buffer, visitor: MessageVisitor): Buffer {
    if (this.#dropped === undefined) {
      let at = 0
      while (at < chunk.length) {
        at = this.#wholeMessages(chunk, at, visitor)
        if (at < chunk.length) at = this.#step(chunk, at, visitor)
      }
      return chunk
    }
    const passed: Buffer[] = []
    let at = 0
    while (at < chunk.length) {
      const from = at
      if (this.#left === 0 && this.#headerBytes === 0) this.#isDropped = chunk[at] === this.#dropped
      at = this.#step(chunk, at, visitor)
      if (!this.#isDropped) passed.push(chunk.subarray(from, at))
    }
    return Buffer.concat(passed)
  }

  /** Goes on to the first message that is not whole in the chunk: most are, and need nothing remembered. */
  #wholeMessages(chunk: Buffer, from: number, visitor: MessageVisitor): number {
    if (this.#left > 0 || this.#headerBytes > 0) return from
    let at = from
    while (at + 5 <= chunk.length) {
      const length = chunk.readUInt32BE(at + 1)
      const end = at + 1 + length
      if (length < 4 || end > chunk.length) break
      const type = chunk[at] ?? 0
      if (visitor.header(type, length - 4)) visitor.message(type, chunk.subarray(at + 5, end))
      at = end
    }
    return at
  }

  /** Goes on to the end of a header, of a body or of the chunk. */
  #step(chunk: Buffer, at: number, visitor: MessageVisitor): number {
    if (this.#left > 0) {
      const taken = Math.min(this.#left, chunk.length - at)
      this.#kept?.push(chunk.subarray(at, at + taken))
      this.#left -= taken
      if (this.#left === 0) this.#end(visitor)
      return at + taken
    }
    if (this.#headerBytes === 0 && chunk.length - at >= 5) {
      this.#begin(chunk, at, visitor)
      return at + 5
    }
    const taken = chunk.copy(this.#header, this.#headerBytes, at)
    this.#headerBytes += taken
    if (this.#headerBytes === 5) {
      this.#headerBytes = 0
      this.#begin(this.#header, 0, visitor)
    }
    return at + taken
  }

  #begin(bytes: Buffer, at: number, visitor: MessageVisitor): void {
    this.#type = bytes[at] ?? 0
    const length = bytes.readUInt32BE(at + 1)
    if (length < 4) throw new RangeError(`a message of length ${length}`)
    this.#left = length - 4
    this.#kept = visitor.header(this.#type, this.#left) ? [] : undefined
    if (this.#left === 0) this.#end(visitor)
  }

  #end(visitor: MessageVisitor): void {
    const kept = this.#kept
    if (kept === undefined) return
    this.#kept = undefined
    visitor.message(this.#type, kept.length === 1 && kept[0] ? kept[0] : Buffer.concat(kept))
  }
}
