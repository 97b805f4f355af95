import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { InternalError } from '../errors.ts'

const execute = promisify(execFile)
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

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** An orphan that ended stays in the process table until init looks; it holds nothing any more. */
function isZombie(pid: number): boolean {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return fields.slice(fields.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return false // no /proc here
  }
}

/** The arguments a process was started with; empty where it is gone. Pids are used again, so a pid alone proves nothing. */
export async function argumentsOf(pid: number): Promise<readonly string[]> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    return text.split('\0').slice(0, -1)
  }
  const { stdout } = await execute('ps', ['-ww', '-o', 'args=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return stdout.trim().split(' ')
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

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (isAlive(pid)) throw error
  }
}

async function gone(pid: number, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false
    await delay(POLL_MS)
  }
  return true
}
