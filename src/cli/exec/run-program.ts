import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { PreconditionFailedError } from '../../errors.ts'
import { LineReader } from './line-reader.ts'
import type { StopSignals } from './stop-signals.ts'

/** Milliseconds that a program has to end after its deadline, before it is killed. */
const GRACE_MS = 5_000
/** Milliseconds for what a program has written before it ended: one that it left behind may hold its output open. */
const LAST_LINES_MS = 1_000

export interface ProgramRun {
  readonly command: readonly [string, ...string[]]
  readonly variables: Readonly<Record<string, string>>
  /** Milliseconds after which it is told to end. */
  readonly timeoutMs: number
  /** Of standard output or error. */
  readonly onLine: (line: string, from: 'out' | 'err') => void
  readonly stops: StopSignals
}

/**
 * Runs a program to its end, in a process group of its own, so that what it starts ends with it.
 * @throws {PreconditionFailedError} where it cannot be run, or did not end with 0. {CancelledError} where we were told to stop.
 */
export async function runProgram({
  command,
  variables,
  timeoutMs,
  onLine,
  stops,
}: ProgramRun): Promise<void> {
  const [program, ...args] = command
  stops.refuseStopped()
  const child = spawn(program, args, {
    env: { ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const [out, err] = (['out', 'err'] as const).map((from) => new LineReader((line) => onLine(line, from)))
  child.stdout.on('data', (chunk: Buffer) => out?.add(chunk))
  child.stderr.on('data', (chunk: Buffer) => err?.add(chunk))
  using _forwarded = stops.forward((signal) => signalGroup(child, signal))
  const deadline = new AbortController()
  const late = endAfter(child, timeoutMs, deadline.signal)
  try {
    const { code, signal } = await ended(child, program)
    out?.end()
    err?.end()
    if (code === 0 && !late.isLate) return
    stops.refuseStopped()
    if (late.isLate) throw new PreconditionFailedError(`${program} took longer than ${timeoutMs / 1_000} s`)
    throw new PreconditionFailedError(
      signal === null ? `${program} ended with exit code ${code}` : `${program} was ended by ${signal}`,
    )
  } finally {
    deadline.abort()
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}

interface Late {
  isLate: boolean
}

function endAfter(child: ChildProcess, timeoutMs: number, over: AbortSignal): Late {
  const late = { isLate: false }
  const end = async () => {
    await delay(timeoutMs, undefined, { signal: over })
    late.isLate = true
    signalGroup(child, 'SIGTERM')
    await delay(GRACE_MS, undefined, { signal: over })
    signalGroup(child, 'SIGKILL')
  }
  end().catch(() => undefined) // it ended before
  return late
}

interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

function ended(child: ChildProcess, program: string): Promise<End> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      const code = 'code' in cause ? String(cause.code) : 'unknown'
      reject(
        new PreconditionFailedError(
          `cannot run ${program}: ${code}${code === 'ENOENT' ? ' (is it on the PATH?)' : ''}`,
        ),
      )
    })
    child.once('exit', (code, signal) => {
      const giveUp = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, LAST_LINES_MS)
      child.once('close', () => {
        clearTimeout(giveUp)
        resolve({ code, signal })
      })
    })
  })
}
