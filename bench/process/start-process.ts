import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Address } from '../ground/ground.ts'
import { isListening } from './is-listening.ts'

export interface StartOptions {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** It has started when it listens there. */
  readonly listensAt: Address
  /** Gets what it prints. */
  readonly logPath: string
  /** As another user; default: ourselves. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined
  /** What it sends over a channel of Node. Default: no channel. */
  readonly channel?: boolean
}

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number
  readonly child: ChildProcess
}

const START_MS = 60_000
const STOP_MS = 15_000
const POLL_MS = 20

/** Starts a program and waits until it listens. Disposing ends it: SIGTERM, and after 15 s SIGKILL. */
export async function startProcess(options: StartOptions): Promise<RunningProcess> {
  const log = await open(options.logPath, 'a')
  const [program = '', ...args] = options.command
  const child = spawn(program, args, {
    env: { ...process.env, NODE_ENV: 'production', ...options.env },
    stdio: ['ignore', log.fd, log.fd, ...(options.channel ? (['ipc'] as const) : [])],
    ...options.account,
  })
  const ended = once(child, 'exit')
  ended.catch(() => undefined) // could not be started: `listening` says so
  try {
    await listening(options, child)
  } catch (error) {
    child.kill('SIGKILL')
    await log.close()
    throw error
  }
  return { pid: child.pid ?? 0, child, [Symbol.asyncDispose]: () => stop(child, ended, log) }
}

async function listening({ listensAt, logPath }: StartOptions, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
      throw new Error(`ended (${child.signalCode ?? child.exitCode}) before it listened; see ${logPath}`)
    if (await isListening(listensAt)) return
    await delay(POLL_MS)
  }
  throw new Error(`nothing listens at ${listensAt.host}:${listensAt.port}; see ${logPath}`)
}

async function stop(child: ChildProcess, ended: Promise<unknown>, log: FileHandle): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(timer)
  await log.close()
}
