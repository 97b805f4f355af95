import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // An orphan that ended stays in the table until init looks; it holds nothing any more.
    return statusFields(pid)[0] !== 'Z'
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
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

/** Tells a process from a later one with the same pid. Without /proc it is the pid alone. */
export function signatureOf(pid: number): string {
  return `${pid} ${statusFields(pid)[19] ?? ''}` // the start time
}

/** From the third field of /proc/<pid>/stat on; counted from after the name, which may hold blanks and brackets. */
function statusFields(pid: number): string[] {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return fields.slice(fields.lastIndexOf(')') + 2).split(' ')
  } catch {
    return [] // no such process, or no /proc here
  }
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (isAlive(pid)) throw error
  }
}
