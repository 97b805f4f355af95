import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { StallWatch } from '../../src/http/stall-watch.ts'
import { readSlowly } from '../support/read-slowly.ts'

const STALL_MS = 300
/** More than the system keeps for a socket that nobody reads. */
const BYTES = 32 * 1_048_576

/** Both ends of a connection, the first under watch. */
async function withPair(test: (watched: Socket, client: Socket) => Promise<void>): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1') // a TCP server's address
  client.on('error', () => undefined)
  const [watched] = (await accepted) as [Socket]
  watched.on('error', () => undefined)
  const watch = new StallWatch(new Set([watched]), STALL_MS)
  try {
    await test(watched, client)
  } finally {
    watch.stop()
    watched.destroy()
    client.destroy()
    server.close()
  }
}

describe('the watch over sockets that stall', () => {
  it('closes one whose peer takes nothing for as long as it may', async () => {
    await withPair(async (watched, client) => {
      client.pause()
      watched.write(Buffer.alloc(BYTES))
      const startedAt = performance.now()
      await once(watched, 'close')
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(STALL_MS)
    })
  })

  it('lets one be that has nothing to take, or takes it part by part', async () => {
    await withPair(async (watched, client) => {
      const parts = Array.from({ length: 512 }, () => Buffer.alloc(BYTES / 512))
      Readable.from(parts).pipe(watched)
      const startedAt = performance.now()
      expect(await readSlowly(client, BYTES, STALL_MS / 3)).toBe(BYTES)
      expect(performance.now() - startedAt).toBeGreaterThan(2 * STALL_MS)
    })
  })
})
