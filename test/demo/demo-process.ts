import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
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

  /** Resolves when it has said all that it says at the start. */
  async ready(): Promise<z.output<typeof Card>> {
    const deadline = performance.now() + READY_MS
    while (!this.#output.includes('Ctrl-C ends everything')) {
      if (this.#child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`the demo is not ready:\n${this.#output}`)
      }
      await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), once(this.#child, 'exit')])
    }
    return this.card()
  }

  card(): z.output<typeof Card> {
    return Card.parse(JSON.parse(readFileSync(join(this.#folder, '.tenantry/demo.json'), 'utf8')))
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
