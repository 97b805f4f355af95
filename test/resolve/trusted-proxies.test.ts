import { describe, expect, it } from 'vitest'
import { TrustedProxies } from '../../src/resolve/trusted-proxies.ts'

const proxies = new TrustedProxies(['10.0.0.0/8', '192.168.7.1', 'fd00::/8'])

function origin(peer: string | undefined, forwardedFor?: string, forwardedHost?: string) {
  return proxies.originOf({ peer, host: 'direct.example.com', forwardedFor, forwardedHost })
}

describe('forwarded headers', () => {
  it.each(['203.0.113.9', '11.0.0.1', '192.168.7.2', '2001:db8::1', undefined])(
    'from %s change nothing',
    (peer) => {
      expect(origin(peer, '1.1.1.1', 'acme.example.com')).toEqual({
        client: peer,
        host: 'direct.example.com',
      })
    },
  )

  it.each(['10.1.2.3', '::ffff:10.1.2.3', '192.168.7.1', 'fd00::7'])(
    'from the proxy %s are believed',
    (peer) => {
      expect(origin(peer, '203.0.113.9', 'acme.example.com')).toEqual({
        client: '203.0.113.9',
        host: 'acme.example.com',
      })
    },
  )

  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['6.6.6.6, 203.0.113.9', '203.0.113.9'],
    ['6.6.6.6, 203.0.113.9, 10.9.9.9', '203.0.113.9'],
    ['10.1.1.1, 10.2.2.2', '10.1.1.1'],
    ['6.6.6.6, nonsense, 10.2.2.2', '10.2.2.2'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['[2001:db8::5]:4711', '2001:db8::5'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    [`fe80::1%${'x'.repeat(1_000)}`, '10.1.2.3'],
    ['', '10.1.2.3'],
    [undefined, '10.1.2.3'],
    [`${'6.6.6.6, '.repeat(1_000)}10.2.2.2`, '6.6.6.6'],
    ['10.2.2.2, '.repeat(1_000), '10.1.2.3'],
  ])('of a proxy that says %j lead to %s', (forwardedFor, client) => {
    expect(origin('10.1.2.3', forwardedFor).client).toBe(client)
  })

  it('of a proxy that names two hosts are refused', () => {
    expect(() => origin('10.1.2.3', undefined, 'acme.example.com, globex.example.com')).toThrow(/sent once/)
    expect(origin('203.0.113.9', undefined, 'a.test, b.test').host).toBe('direct.example.com')
  })

  it.each(['10.0.0.0/33', 'fd00::/129', 'nginx', '10.0.0', '', '10.0.0.0/8/8', '0x7f.1'])(
    'cannot be trusted of %j, and it is named',
    (block) => {
      expect(() => new TrustedProxies(['10.0.0.0/8', block])).toThrow(JSON.stringify(block))
    },
  )
})
