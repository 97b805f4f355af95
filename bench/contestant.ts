import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** What is compared: something that answers `POST /v1/query` for every tenant, in a process of its own. */
export interface Contestant {
  readonly name: string
  /** What it is, for the report. */
  readonly description: string
  /** The key that it answers to. */
  readonly key: string
  /** Starts it afresh: nothing is warm. */
  start(): Promise<RunningContestant>
}

export interface RunningContestant extends AsyncDisposable {
  readonly url: string
  readonly pid: number
}

const START_MS = 30_000
const STOP_MS = 15_000
const POLL_MS = 50

/** Starts a program and waits until its port is answered on. What it prints goes to the file. */
export async function startProcess(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  url: string,
  logPath: string,
): Promise<RunningContestant> {
  const log = await open(logPath, 'a')
  const [program = '', ...args] = command
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', log.fd, log.fd] })
  const ended = once(child, 'exit')
  try {
    await answering(url, child, logPath)
  } catch (error) {
    child.kill('SIGKILL')
    await log.close()
    throw error
  }
  return { url, pid: child.pid ?? 0, [Symbol.asyncDispose]: () => stop(child, ended, log) }
}

async function answering(url: string, child: ChildProcess, logPath: string): Promise<void> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null)
      throw new Error(`ended with ${child.exitCode} before it answered; see ${logPath}`)
    const answered = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answered) return
    await delay(POLL_MS)
  }
  throw new Error(`no answer at ${url} within ${START_MS} ms; see ${logPath}`)
}

async function stop(child: ChildProcess, ended: Promise<unknown>, log: FileHandle): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(timer)
  await log.close()
}
