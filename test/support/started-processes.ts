import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive, signal, signatureOf } from '../../src/demo/process-table.ts'

/**
 * One file for each server that a test run has started, so that the next run can stop what a killed one left:
 * the same for every run, wherever it has its temporary files.
 */
const FOLDER = `/tmp/tenantry-tests-${userInfo().uid}`
const GONE_MS = 5_000

interface Started {
  /** Pid and start time: a pid alone is used again. */
  readonly process: string
  readonly owner: string
  /** The vitest process, where the owner is one of its workers. */
  readonly ownerParent: number
  /** Deleted with it. */
  readonly folder: string
}

/** Call it right after the start; call the answer when the process has ended. */
export function rememberProcess(pid: number, folder: string): () => void {
  const started: Started = {
    process: signatureOf(pid),
    owner: signatureOf(process.pid),
    ownerParent: process.ppid,
    folder,
  }
  const path = join(FOLDER, `${pid}.json`)
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  writeFileSync(path, JSON.stringify(started))
  return () => rmSync(path, { force: true })
}

/** Stops what runs of the past have left: their processes are gone, their servers are not. */
export async function stopAbandoned(): Promise<number> {
  const abandoned = remembered().filter(({ started }) => !isSame(started.owner))
  for (const { path, started } of abandoned) {
    end(started)
    const deadline = performance.now() + GONE_MS
    while (isSame(started.process) && performance.now() < deadline) await delay(20)
    if (isSame(started.process)) signal(pidOf(started.process), 'SIGKILL')
    rmSync(started.folder, { recursive: true, force: true })
    rmSync(path, { force: true })
  }
  return abandoned.length
}

/** Stops what this process and its workers have started. Synchronous: there is no later when a run is interrupted. */
export function stopOwn(): void {
  for (const { path, started } of remembered()) {
    if (pidOf(started.owner) !== process.pid && started.ownerParent !== process.pid) continue
    end(started)
    rmSync(started.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    rmSync(path, { force: true })
  }
}

function end({ process }: Started): void {
  if (!isSame(process)) return
  const pid = pidOf(process)
  signal(pid, 'SIGQUIT') // Postgres: at once, without writing its data
  signal(pid, 'SIGCONT') // a test may have paused it
}

function remembered(): { path: string; started: Started }[] {
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  return readdirSync(FOLDER).flatMap((name) => {
    const path = join(FOLDER, name)
    try {
      return [{ path, started: JSON.parse(readFileSync(path, 'utf8')) as Started }] // written by `rememberProcess`
    } catch {
      return [] // another run removed it, or is still writing it
    }
  })
}

const pidOf = (signature: string) => Number.parseInt(signature, 10)
const isSame = (signature: string) => isAlive(pidOf(signature)) && signatureOf(pidOf(signature)) === signature
