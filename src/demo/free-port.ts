import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the kernel's range for outgoing connections, any of which could hold a port of ours. */
const LOWEST = 20_000
const HIGHEST = 32_767

/** A loopback port that was free a moment ago, `preferred` if it was. Someone may still take it: be ready to ask again. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST + 1)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
