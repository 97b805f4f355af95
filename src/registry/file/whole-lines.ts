import type { FileHandle } from 'node:fs/promises'

const CHUNK_BYTES = 65_536
const NEWLINE = 10

export interface Line {
  /** Where it begins, in bytes. */
  readonly offset: number
  /** Where the next one begins. */
  readonly next: number
  readonly text: string
}

/** Lines that are whole, from the one that begins at `start` on. */
export async function* linesFrom(file: FileHandle, start: number): AsyncGenerator<Line> {
  let held = Buffer.alloc(0)
  let offset = start
  for (;;) {
    const chunk = await readAt(file, offset + held.length, CHUNK_BYTES)
    if (chunk.length === 0) return
    held = Buffer.concat([held, chunk])
    let begin = 0
    for (let end = held.indexOf(NEWLINE); end >= 0; end = held.indexOf(NEWLINE, begin)) {
      yield { offset: offset + begin, next: offset + end + 1, text: held.toString('utf8', begin, end) }
      begin = end + 1
    }
    held = held.subarray(begin)
    offset += begin
  }
}

/** Lines that are whole before `end`, the last one first. */
export async function* linesBefore(file: FileHandle, end: number): AsyncGenerator<Line> {
  let held = Buffer.alloc(0)
  let offset = end
  while (offset > 0) {
    const size = Math.min(CHUNK_BYTES, offset)
    held = Buffer.concat([await readAt(file, offset - size, size), held])
    offset -= size
    let stop = held.lastIndexOf(NEWLINE)
    while (stop >= 0) {
      const before = stop === 0 ? -1 : held.lastIndexOf(NEWLINE, stop - 1)
      // Where the line begins is further up.
      if (before < 0 && offset > 0) break
      const text = held.toString('utf8', before + 1, stop)
      yield { offset: offset + before + 1, next: offset + stop + 1, text }
      stop = before
    }
    if (stop >= 0) held = held.subarray(0, stop + 1)
  }
}

/** Fewer bytes only at the file's end. */
async function readAt(file: FileHandle, position: number, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(size)
  let length = 0
  while (length < size) {
    const { bytesRead } = await file.read(buffer, length, size - length, position + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return buffer.subarray(0, length)
}
