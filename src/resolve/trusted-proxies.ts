import { BlockList, isIP } from 'node:net'
import { InvalidConfigError, InvalidRequestError } from '../errors.ts'

/** Where a request came from, whoever passed it on. */
export interface Origin {
  /** The client's address; undefined where nothing says it, as in an app that is called without a server. */
  readonly client: string | undefined
  /** As the client wrote it. */
  readonly host: string | undefined
}

/** What the connection and its headers say. */
export interface Passage {
  /** The address at the other end of the connection. */
  readonly peer: string | undefined
  readonly host: string | undefined
  /** The value of `X-Forwarded-For`, all of its parts. */
  readonly forwardedFor: string | undefined
  /** The value of `X-Forwarded-Host`. */
  readonly forwardedHost: string | undefined
}

/** An address, or `address/bits`. */
const BLOCK = /^(?<address>[0-9a-fA-F:.]+)(?:\/(?<bits>\d{1,3}))?$/
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i
/** `1.2.3.4:80` and `[::1]:80`, as some proxies write. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d{1,5}|\[([0-9a-fA-F:.]+)\](?::\d{1,5})?)$/
/** Characters of an address. A zone after it (`%eth0`) may have any number, and is another machine's. */
const MAX_ADDRESS = 45
/** Hops that are looked at: a client writes as many as it likes. */
const MAX_HOPS = 32

/** Whether the text is an address, or a block of them. */
export function isAddressBlock(text: string): boolean {
  const { address = '', bits } = BLOCK.exec(text)?.groups ?? {}
  const family = isIP(address)
  return family !== 0 && (bits === undefined || Number(bits) <= (family === 4 ? 32 : 128))
}

/**
 * Believes `X-Forwarded-For` and `X-Forwarded-Host` where the connection comes from one of these addresses, and from
 * nobody else: anybody can write them. `Forwarded` is not read.
 */
export class TrustedProxies {
  readonly #blocks = new BlockList()

  /**
   * @param blocks addresses and CIDR blocks, of both families.
   * @throws {InvalidConfigError} naming those that are neither.
   */
  constructor(blocks: readonly string[]) {
    const wrong = blocks.filter((block) => !isAddressBlock(block))
    if (wrong.length > 0)
      throw new InvalidConfigError(
        wrong.map((block) => `trusted proxies: ${JSON.stringify(block)} is no address and no CIDR block`),
      )
    for (const block of blocks) {
      const [address = '', bits] = block.split('/')
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
      if (bits === undefined) this.#blocks.addAddress(address, family)
      else this.#blocks.addSubnet(address, Number(bits), family)
    }
  }

  /** @throws {InvalidRequestError} where a trusted proxy names more than one host. */
  originOf({ peer, host, forwardedFor, forwardedHost }: Passage): Origin {
    const nearest = peer === undefined ? undefined : plain(peer)
    if (nearest === undefined || !this.#trusts(nearest)) return { client: nearest, host }
    if (forwardedHost?.includes(','))
      throw new InvalidRequestError('The header x-forwarded-host must be sent once.')
    return { client: this.#clientBehind(nearest, forwardedFor), host: forwardedHost ?? host }
  }

  /** Each proxy adds whom it heard from at the end: the last one that is no proxy of ours is the client. */
  #clientBehind(nearest: string, forwardedFor = ''): string {
    let client = nearest
    for (const hop of forwardedFor.split(',').slice(-MAX_HOPS).toReversed()) {
      const address = addressIn(hop.trim())
      if (address === undefined) break
      client = address
      if (!this.#trusts(client)) break
    }
    return client
  }

  #trusts(address: string): boolean {
    const family = isIP(address)
    return family !== 0 && this.#blocks.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }
}

function addressIn(hop: string): string | undefined {
  const [, v4, v6] = WITH_PORT.exec(hop) ?? []
  const address = v4 ?? v6 ?? hop
  return isIP(address) === 0 || address.length > MAX_ADDRESS ? undefined : plain(address)
}

/** An IPv4 client of a socket that takes both reads as `::ffff:1.2.3.4`. */
function plain(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address
}
