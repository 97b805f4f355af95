import { createHash } from 'node:crypto'

/** A Lua script, which is sent whole only where Redis does not know it yet. Every key it touches is in `keys`. */
export class RedisScript {
  readonly source: string
  readonly digest: string

  constructor(source: string) {
    this.source = source
    this.digest = createHash('sha1').update(source).digest('hex') // the name that Redis gives it
  }
}
