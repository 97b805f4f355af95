import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

const PAUSES = 10

/** Reads to the end, with a pause after each tenth of `bytes`. @returns the bytes that came. */
export async function readSlowly(stream: Readable, bytes: number, pauseMs: number): Promise<number> {
  let read = 0
  let nextPause = bytes / PAUSES
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    read += chunk.length
    if (read < nextPause) continue
    nextPause += bytes / PAUSES
    await sleep(pauseMs)
  }
  return read
}
