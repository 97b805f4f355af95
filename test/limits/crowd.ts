import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { CrowdResult, CrowdWork } from './crowd-process.ts'

const PROGRAM = resolve(import.meta.dirname, 'crowd-process.ts')

/**
 * Lets processes make requests of the same tenants at the same time.
 * @returns what was let in of each tenant by all of them, and how often one was without Redis.
 */
export async function crowd(processes: number, work: CrowdWork): Promise<CrowdResult> {
  const children = Array.from({ length: processes }, () => started())
  try {
    await Promise.all(children.map((child) => say(child, work, 'ready')))
    const results = await Promise.all(children.map((child) => say<CrowdResult>(child, 'go')))
    const admitted = work.tenants.map((_, at) =>
      results.reduce((sum, result) => sum + (result.admitted[at] ?? 0), 0),
    )
    return { admitted, fallbacks: results.reduce((sum, { fallbacks }) => sum + fallbacks, 0) }
  } finally {
    await Promise.all(children.map(ended))
  }
}

function started(): ChildProcess {
  return fork(PROGRAM, {
    execArgv: ['--import', import.meta.resolve('tsx')],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

/** Resolves the child's next word. */
async function say<T>(child: ChildProcess, word: CrowdWork | 'go', expected?: string): Promise<T> {
  const answered = once(child, 'message')
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`a process of the crowd ended with ${String(code)}`)
  })
  gone.catch(() => undefined) // when all is over, they do
  child.send(word)
  const [answer] = await Promise.race([answered, gone])
  if (expected !== undefined && answer !== expected) throw new Error(`it said ${String(answer)}`)
  return answer as T // what the process sends
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
