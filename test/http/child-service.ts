import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { vi } from 'vitest'
import type { Service } from '../../src/server.ts'

const CLI = resolve(import.meta.dirname, '../../src/cli.ts')
const SOURCE = ['--import', import.meta.resolve('tsx'), CLI]
const READY_MS = 60_000
/** As in k8s/deployment.yaml. */
const HEAP = '--max-old-space-size=384'

/** `tenantry serve` in a process of its own, for what would end or fill that of the tests. */
export class ChildService implements Service {
  readonly url: string
  readonly opsUrl: string
  readonly #child: ChildProcess
  readonly #exit: Promise<number | null>

  private constructor(child: ChildProcess, url: string, opsUrl: string) {
    this.#child = child
    this.url = url
    this.opsUrl = opsUrl
    this.#exit = exitOf(child)
  }

  /**
   * @param openFiles that the process may have, at most.
   * @param program what node is given before the verb. Default: this tree's source.
   */
  static async start(
    variables: Readonly<Record<string, string>>,
    logLines: string[],
    {
      openFiles = 4_096,
      program = SOURCE,
    }: { openFiles?: number | undefined; program?: readonly string[] } = {},
  ): Promise<ChildService> {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('TENANTRY_'))
    const line = `ulimit -n ${openFiles}; exec "$0" "$@"`
    const child = spawn('sh', ['-c', line, process.execPath, ...program, 'serve'], {
      env: { ...Object.fromEntries(own), NODE_OPTIONS: HEAP, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => logLines.push(chunk.toString()))
    const started = () => {
      const urls = /"url":"([^"]+)","opsUrl":"([^"]+)"/.exec(logLines.join(''))
      if (child.exitCode === null && !urls) throw new Error('it has not started yet')
      return urls
    }
    const [, url, opsUrl] = (await vi.waitFor(started, { timeout: READY_MS, interval: 20 })) ?? []
    if (!url || !opsUrl) throw new Error(`it ended:\n${logLines.join('')}`)
    return new ChildService(child, url, opsUrl)
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Its exit code, when it has ended; null after a kill. */
  get exit(): Promise<number | null> {
    return this.#exit
  }

  async close(): Promise<void> {
    this.signal('SIGTERM')
    await this.#exit
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** One of its own metrics, as `process_resident_memory_bytes`. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.opsUrl}/metrics`)).text()
    const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]
    if (value === undefined) throw new Error(`there is no metric ${name}`)
    return Number(value)
  }
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode
}
