import { createServer } from 'node:net'
import type { ServiceSettings } from '../config.ts'

type Ports = Pick<ServiceSettings, 'port' | 'opsPort'>
type Wanted = Ports & Pick<ServiceSettings, 'host' | 'opsHost' | 'given'>

/** Two ports: one that was given stays, any other moves up to the next that is free and not its neighbour's. */
export async function choosePorts({ given, host, opsHost, ...first }: Wanted): Promise<Ports> {
  const isOpsGiven = given.has('TENANTRY_OPS_PORT')
  const port = given.has('TENANTRY_PORT')
    ? first.port
    : await nextFree(first.port, host, isOpsGiven ? first.opsPort : undefined)
  return { port, opsPort: isOpsGiven ? first.opsPort : await nextFree(first.opsPort, opsHost, port) }
}

async function nextFree(first: number, host: string, other: number | undefined): Promise<number> {
  for (let port = first; port < 65_535; port += 1) {
    if (port !== other && (await isFree(port, host))) return port
  }
  return 0
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
