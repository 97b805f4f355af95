import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { type Certificate, makeAuthority } from './certificates.ts'

/** What a client that trusts `ca` says of a server with this certificate; undefined where it is content. */
async function verdict(ca: string, { certificate, key }: Certificate): Promise<string | undefined> {
  const server = createServer({ cert: certificate, key }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // listens on TCP
  server.on('tlsClientError', () => undefined)
  const socket = connect({ port, host: '127.0.0.1', servername: 'db.example.test', ca })
  try {
    return await Promise.race([
      once(socket, 'secureConnect').then(() => undefined),
      new Promise<string>((resolve) => {
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      }),
    ])
  } finally {
    socket.destroy()
    server.close()
  }
}

describe('a test authority', () => {
  it('issues certificates that its own root vouches for, by name and in date', async () => {
    const authority = await makeAuthority()
    const good = await authority.issue({ names: ['db.example.test', '127.0.0.1'] })
    expect(await verdict(authority.caPem, good)).toBeUndefined()
    expect(new X509Certificate(good.certificate).checkIP('127.0.0.1')).toBe('127.0.0.1')
  })

  it('issues bad ones too: expired, of another name, of another authority', async () => {
    const authority = await makeAuthority()
    const expired = await authority.issue({ names: ['db.example.test'], expired: true })
    const other = await authority.issue({ names: ['else.example.test'] })
    const foreign = await (await makeAuthority()).issue({ names: ['db.example.test'] })
    expect(await verdict(authority.caPem, expired)).toBe('CERT_HAS_EXPIRED')
    expect(await verdict(authority.caPem, other)).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(await verdict(authority.caPem, foreign)).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED|SIGNATURE/)
  })
})
