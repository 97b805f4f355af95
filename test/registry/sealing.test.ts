import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InvalidConfigError, SealingFailedError } from '../../src/errors.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { type SealBinding, Sealer } from '../../src/registry/sealing.ts'
import { Secret } from '../../src/secret.ts'
import type { Sealed } from '../../src/tenant/sealed.ts'
import { PASSWORD_CANARY as CANARY } from '../support/canary.ts'

const binding: SealBinding = {
  registry: 'f2b3a1de-0000-4000-8000-000000000001',
  subject: 'acme',
  generation: 7,
  field: 'route.password',
}

function newSealer(): Sealer {
  return new Sealer(MasterKeys.fromText(generateMasterKey()))
}

describe('a sealed secret', () => {
  it('opens to what was sealed', () => {
    const sealer = newSealer()
    expect(sealer.open(sealer.seal(new Secret(CANARY), binding), binding).reveal()).toBe(CANARY)
    expect(sealer.open(sealer.seal(new Secret(''), binding), binding).reveal()).toBe('')
  })

  it('never looks the same twice, so that equal passwords are not seen to be equal', () => {
    const sealer = newSealer()
    const [one, two] = [1, 2].map(() => sealer.seal(new Secret(CANARY), binding))
    expect(one?.ciphertext).not.toBe(two?.ciphertext)
    expect(one?.wrappedKey).not.toBe(two?.wrappedKey)
  })

  it.each([
    ['registry', 'f2b3a1de-0000-4000-8000-000000000002'],
    ['subject', 'globex'],
    ['generation', 8],
    ['field', 'route.readOnly.password'],
  ])('does not open under another %s', (part, value) => {
    const sealer = newSealer()
    const sealed = sealer.seal(new Secret(CANARY), binding)
    expect(() => sealer.open(sealed, { ...binding, [part]: value })).toThrow(SealingFailedError)
  })

  it.each(['wrappedKey', 'iv', 'ciphertext', 'tag'] as const)(
    'does not open after any bit of its %s flipped',
    (field) => {
      const sealer = newSealer()
      const sealed = sealer.seal(new Secret(CANARY), binding)
      const bits = Buffer.from(sealed[field], 'base64url').length * 8
      for (let bit = 0; bit < bits; bit++) {
        expect(() => sealer.open(withFlippedBit(sealed, field, bit), binding)).toThrow(SealingFailedError)
      }
    },
  )

  it('does not open with a tag cut short', () => {
    const sealer = newSealer()
    const sealed = sealer.seal(new Secret(CANARY), binding)
    const tag = Buffer.from(sealed.tag, 'base64url').subarray(0, 4).toString('base64url')
    expect(() => sealer.open({ ...sealed, tag }, binding)).toThrow(SealingFailedError)
  })

  it('holds the plain text nowhere, and what opens does not print it', () => {
    const sealer = newSealer()
    const sealed = sealer.seal(new Secret(CANARY), binding)
    const opened = sealer.open(sealed, binding)
    for (const text of [
      JSON.stringify(sealed),
      inspect(sealed),
      JSON.stringify({ opened }),
      inspect({ opened }),
      String(opened),
      inspect(sealer, { depth: 9, showHidden: true }),
    ]) {
      expect(text).not.toContain(CANARY)
      expect(text).not.toContain(Buffer.from(CANARY).toString('base64url'))
    }
  })

  it('is refused without naming any key when its master key is another one', () => {
    const [mine, other] = [generateMasterKey(), generateMasterKey()]
    const sealed = new Sealer(MasterKeys.fromText(mine)).seal(new Secret(CANARY), binding)
    const error = thrownBy(() => new Sealer(MasterKeys.fromText(other)).open(sealed, binding))
    expect(error).toBeInstanceOf(SealingFailedError)
    for (const key of [mine, other]) {
      for (const part of key.reveal().split(':')) expect(inspect(error)).not.toContain(part)
    }
  })

  it('is refused when its key id is of a key with other bytes', () => {
    const [one, two] = [generateMasterKey(), generateMasterKey()].map((key) => key.reveal().split(':')[1])
    const sealed = new Sealer(MasterKeys.fromText(`k:${one}`)).seal(new Secret(CANARY), binding)
    expect(() => new Sealer(MasterKeys.fromText(`k:${two}`)).open(sealed, binding)).toThrow(
      SealingFailedError,
    )
  })
})

describe('master keys', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-keys-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('seal with the first and open with each', () => {
    const [older, newer] = [generateMasterKey(), generateMasterKey()]
    const sealed = new Sealer(MasterKeys.fromText(older)).seal(new Secret(CANARY), binding)
    const both = new Sealer(MasterKeys.fromText(`${newer.reveal()}, ${older.reveal()}`))
    expect(both.open(sealed, binding).reveal()).toBe(CANARY)
    expect(both.seal(new Secret(CANARY), binding).kid).toBe(newer.reveal().split(':')[0])
  })

  it('refuse an empty text', () => {
    expect(() => MasterKeys.fromText('')).toThrow(InvalidConfigError)
  })

  it.each([
    'nocolon',
    'k:AAA',
    'k:AAAA',
    `k:${'!'.repeat(44)}`,
    `bad/kid:${Buffer.alloc(32).toString('base64')}`,
  ])('refuse the malformed text %j without echoing it', (text) => {
    const error = thrownBy(() => MasterKeys.fromText(text))
    expect(error).toBeInstanceOf(InvalidConfigError)
    expect(inspect(error)).not.toContain(text)
  })

  it('name every fault at once and refuse a kid that is there twice', () => {
    const key = generateMasterKey().reveal()
    const error = thrownBy(() => MasterKeys.fromText(`${key},${key},k:AAAA`))
    expect(error).toMatchObject({
      faults: [expect.stringContaining('2 of 3'), expect.stringContaining('3 of 3')],
    })
  })

  it('come from a file that only its owner can read, and from no other', () => {
    const path = join(folder, 'master.key')
    writeFileSync(path, `${generateMasterKey().reveal()}\n`, { mode: 0o600 })
    const sealer = new Sealer(MasterKeys.fromFile(path))
    expect(sealer.open(sealer.seal(new Secret(CANARY), binding), binding).reveal()).toBe(CANARY)
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(path, mode)
      expect(() => MasterKeys.fromFile(path)).toThrow(/others may use it/)
    }
    expect(() => MasterKeys.fromFile(join(folder, 'absent'))).toThrow(/ENOENT/)
  })
})

function withFlippedBit(
  sealed: Sealed,
  field: 'wrappedKey' | 'iv' | 'ciphertext' | 'tag',
  bit: number,
): Sealed {
  const bytes = Buffer.from(sealed[field], 'base64url')
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
  return { ...sealed, [field]: bytes.toString('base64url') }
}

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
