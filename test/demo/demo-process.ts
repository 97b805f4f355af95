import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { vi } from 'vitest'
import { z } from 'zod'

const CLI = resolve(import.meta.dirname, '../../src/cli.ts')
const READY_MS = 60_000

const Card = z.strictObject({
  url: z.url(),
  opsUrl: z.url(),
  operatorKey: z.string(),
  serviceKey: z.string(),
  tenants: z.record(z.string(), z.strictObject({ key: z.string() })),
})

/** `tenantry demo`, or another verb, in a process of its own. Whoever started it ends it. */
export class DemoProcess {
  readonly #child: ChildProcess
  readonly #folder: string
  #output = ''

  constructor(folder: string, args: readonly string[] = ['demo'], variables: Record<string, string> = {}) {
    const env = Object.entries(process.env).filter(([name]) => !name.startsWith('TENANTRY_'))
    this.#folder = folder
    this.#child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), CLI, ...args], {
      cwd: folder,
      env: { ...Object.fromEntries(env), ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()))
    }
  }

  get output(): string {
    return this.#output
  }

  /** Resolves when it has said all that the demo says at the start. */
  async ready(): Promise<z.output<typeof Card>> {
    await this.says('Ctrl-C ends everything')
    return this.card()
  }

  async says(text: string): Promise<void> {
    const looked = () => {
      const isSaid = this.#output.includes(text)
      if (!isSaid && this.#child.exitCode === null) throw new Error(`it does not say ${text} yet`)
      return isSaid
    }
    const isSaid = await vi.waitFor(looked, { timeout: READY_MS, interval: 20 })
    if (!isSaid) throw new Error(`it ended without saying ${text}:\n${this.#output}`)
  }

  card(): z.output<typeof Card> {
    return Card.parse(JSON.parse(readFileSync(join(this.#folder, '.tenantry/demo.json'), 'utf8')))
  }

  /** Sends a signal, and goes on. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Resolves its exit code; null after a kill. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode
    const ended = once(this.#child, 'exit')
    if (signal) this.#child.kill(signal)
    await ended
    return this.#child.exitCode
  }
}
