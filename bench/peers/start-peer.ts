import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../src/demo/free-port.ts'
import type { RunningContestant } from '../load/contestant.ts'
import { nodeArguments, PROGRAM_ENV } from '../process/run-program.ts'
import { startProcess } from '../process/start-process.ts'

/** Starts a peer's server program with its configuration in a file. */
export async function startPeer(
  program: URL,
  config: Readonly<Record<string, unknown>>,
  folder: string,
): Promise<RunningContestant> {
  const port = await freePort()
  const path = join(folder, 'peer.json')
  await writeFile(path, JSON.stringify({ ...config, port }), { mode: 0o600 })
  const running = await startProcess({
    command: nodeArguments(program),
    env: { ...PROGRAM_ENV, PEER_CONFIG: path },
    listensAt: { host: '127.0.0.1', port },
    logPath: join(folder, 'peer.log'),
  })
  return {
    url: `http://127.0.0.1:${port}`,
    pids: [running.pid],
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}
