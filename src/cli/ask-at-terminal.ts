import { createInterface } from 'node:readline/promises'

/** Asks on standard error, where no answer of ours goes. Undefined where standard input ended instead. */
export async function askAtTerminal(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const ended = new Promise<undefined>((resolve) => lines.once('close', () => resolve(undefined)))
    // Ctrl-C closes it, and then there is no answer.
    return await Promise.race([lines.question(question).catch(() => undefined), ended])
  } finally {
    lines.close()
  }
}
