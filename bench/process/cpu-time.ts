import { readdir, readFile } from 'node:fs/promises'

/** Linux counts in hundredths of a second, whatever the kernel's own tick is. */
const TICK_MS = 10

interface ProcessTimes {
  readonly parent: number
  readonly own: number
  /** Of children that have ended. */
  readonly ended: number
}

/**
 * Milliseconds of processor time that a process and its children have used, those that ended included. Unlike
 * time on the clock it hardly depends on what else the machine does. Undefined where there is no /proc.
 */
export async function cpuTimeMs(pid: number): Promise<number | undefined> {
  const self = await timesOf(pid)
  if (!self) return undefined
  const others = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(timesOf))
  const children = others.filter((process) => process?.parent === pid)
  return children.reduce((sum, child) => sum + (child?.own ?? 0) + (child?.ended ?? 0), self.own + self.ended)
}

async function timesOf(pid: number | string): Promise<ProcessTimes | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The name stands in parentheses and may hold anything; the fields after it are from the third one on.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (!fields) return undefined
  const [parent = 0, user = 0, system = 0, endedUser = 0, endedSystem = 0] = [1, 11, 12, 13, 14].map((i) =>
    Number(fields[i]),
  )
  return { parent, own: (user + system) * TICK_MS, ended: (endedUser + endedSystem) * TICK_MS }
}
