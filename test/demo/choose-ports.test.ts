import { describe, expect, it } from 'vitest'
import { choosePorts } from '../../src/demo/choose-ports.ts'
import { freePort } from '../support/free-port.ts'

describe('the ports of the demo', () => {
  const loopback = { host: '127.0.0.1', opsHost: '127.0.0.1' }

  it.each([
    ['OPS_PORT', 'opsPort', 'port'],
    ['PORT', 'port', 'opsPort'],
  ] as const)(
    'keep a TENANTRY_%s that is given, and move the other out of its way',
    async (name, kept, moved) => {
      const port = await freePort()
      const given = new Set([`TENANTRY_${name}`])
      const ports = await choosePorts({ ...loopback, port, opsPort: port, given })
      expect(ports[kept]).toBe(port)
      expect(ports[moved]).toBeGreaterThan(port)
    },
  )

  it('differ where nobody gave one', async () => {
    const port = await freePort()
    const ports = await choosePorts({ ...loopback, port, opsPort: port, given: new Set() })
    expect(ports.opsPort).toBeGreaterThan(ports.port)
  })
})
