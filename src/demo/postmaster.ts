import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { InternalError } from '../errors.ts'
import { isAlive, signal } from './process-table.ts'

const POLL_MS = 20
/** Milliseconds for a fast shutdown, then for an immediate one. */
const FAST_MS = 10_000
const IMMEDIATE_MS = 5_000

/** What `postmaster.pid` says about the server on a data folder. */
export interface Postmaster {
  readonly pid: number
  readonly port: number
  readonly isReady: boolean
}

/** @returns undefined where no server claims the folder; one that does, may be long dead. */
export async function readPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined)
  // pid, data folder, start time, port, socket folder, address, shared memory, status
  const lines = text?.split('\n') ?? []
  const pid = Number.parseInt(lines[0] ?? '', 10)
  if (!(pid > 1)) return undefined
  return { pid, port: Number.parseInt(lines[3] ?? '', 10), isReady: lines[7]?.trim() === 'ready' }
}

/**
 * Ends a server: fast shutdown (sessions are cut, data is written), and if that hangs, an immediate one.
 * @throws {InternalError} when it outlives both.
 */
export async function stopPostmaster(pid: number): Promise<void> {
  signal(pid, 'SIGINT')
  if (await gone(pid, FAST_MS)) return
  signal(pid, 'SIGQUIT')
  if (await gone(pid, IMMEDIATE_MS)) return
  throw new InternalError(`Postgres (process ${pid}) does not stop`)
}

/** As a crash would: no shutdown, the next start recovers. */
export async function killPostmaster(pid: number): Promise<void> {
  signal(pid, 'SIGKILL')
  await gone(pid, IMMEDIATE_MS)
}

/** Whether the process ended in so many milliseconds. */
export async function gone(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false
    await delay(POLL_MS)
  }
  return true
}
