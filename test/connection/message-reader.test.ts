import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Message, MessageReader, type MessageVisitor } from '../../src/connection/message-reader.ts'

interface Sent {
  readonly type: string
  readonly body: string
}

const message = ({ type, body }: Sent): Buffer => {
  const header = Buffer.alloc(5)
  header.write(type)
  header.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([header, Buffer.from(body, 'latin1')])
}

const messages = fc.array(
  fc.record({
    type: fc.constantFrom('D', 'C', 'Z', 'T'),
    body: fc.string({ unit: fc.constantFrom('Z', '\0', '\u0005', 'I') }),
  }),
  { maxLength: 12 },
)
const cuts = fc.array(fc.nat(200))

/** Cuts bytes where `at` says, in any order and number. */
function chunked(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => Math.min(place, bytes.length)))].toSorted((a, b) => a - b)
  return [...places, bytes.length].map((end, n) => bytes.subarray(places[n - 1] ?? 0, end))
}

class Notes implements MessageVisitor {
  readonly headers: string[] = []
  readonly bodies: Sent[] = []

  header(type: number, length: number): boolean {
    this.headers.push(`${String.fromCharCode(type)}${length}`)
    return String.fromCharCode(type) !== 'D'
  }

  message(type: number, body: Buffer): void {
    this.bodies.push({ type: String.fromCharCode(type), body: body.toString('latin1') })
  }
}

describe('the message reader', () => {
  it('finds every message and keeps what is asked for, however the bytes are cut', () => {
    fc.assert(
      fc.property(messages, cuts, (sent, at) => {
        const [reader, notes] = [new MessageReader(), new Notes()]
        const bytes = Buffer.concat(sent.map(message))
        const passed = chunked(bytes, at).map((chunk) => reader.read(chunk, notes))
        expect(notes.headers).toEqual(sent.map(({ type, body }) => `${type}${body.length}`))
        expect(notes.bodies).toEqual(sent.filter(({ type }) => type !== 'D'))
        expect(Buffer.concat(passed)).toEqual(bytes)
      }),
    )
  })

  it('drops the rows that begin while it is told to, and only those', () => {
    fc.assert(
      fc.property(messages, cuts, fc.nat(12), (sent, at, from) => {
        const reader = new MessageReader()
        const [before, after] = [sent.slice(0, from), sent.slice(from)]
        const passed = [reader.read(Buffer.concat(before.map(message)), new Notes())]
        reader.drop(Message.dataRow)
        for (const chunk of chunked(Buffer.concat(after.map(message)), at))
          passed.push(reader.read(chunk, new Notes()))
        reader.passAll()
        passed.push(reader.read(message({ type: 'D', body: 'row' }), new Notes()))
        const kept = [...before, ...after.filter(({ type }) => type !== 'D'), { type: 'D', body: 'row' }]
        expect(Buffer.concat(passed)).toEqual(Buffer.concat(kept.map(message)))
      }),
    )
  })

  it('passes the rest of a row whose beginning was seen', () => {
    for (const seen of [1, 4, 5, 7]) {
      const [reader, row] = [new MessageReader(), message({ type: 'D', body: 'a whole row' })]
      const first = reader.read(row.subarray(0, seen), new Notes())
      reader.drop(Message.dataRow)
      const rest = reader.read(Buffer.concat([row.subarray(seen), row]), new Notes())
      expect(Buffer.concat([first, rest])).toEqual(row)
    }
  })

  it('refuses a length that no message can have', () => {
    expect(() => new MessageReader().read(Buffer.from([0x44, 0, 0, 0, 3]), new Notes())).toThrow(RangeError)
  })
})
