import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** Beside the project's own, so that `tenantry` is the package as it is shipped, not its sources. */
const TSCONFIG = fileURLToPath(new URL('../tsconfig.json', import.meta.url))
const TSX = import.meta.resolve('tsx')

/** Node's arguments for one of our TypeScript programs. */
export function nodeArguments(program: URL, flags: readonly string[] = []): string[] {
  return [process.execPath, ...flags, '--import', TSX, fileURLToPath(program)]
}

export const PROGRAM_ENV = { NODE_ENV: 'production', TSX_TSCONFIG_PATH: TSCONFIG } as const

/**
 * Runs a program of ours to its end with a job file as its only argument, and resolves what it printed as JSON.
 * @throws {Error} with what it printed to standard error.
 */
export async function runProgram(
  program: URL,
  job: unknown,
  jobPath: string,
  flags: readonly string[] = [],
): Promise<unknown> {
  await writeFile(jobPath, JSON.stringify(job), { mode: 0o600 })
  const [node = '', ...args] = nodeArguments(program, flags)
  const child = spawn(node, [...args, jobPath], {
    env: { ...process.env, ...PROGRAM_ENV },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0)
    throw new Error(`${program.pathname} ended with ${code}: ${Buffer.concat(err).toString().slice(-4_000)}`)
  return JSON.parse(Buffer.concat(out).toString())
}
