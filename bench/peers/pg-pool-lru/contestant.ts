import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../src/demo/free-port.ts'
import { type Contestant, startProcess } from '../../contestant.ts'
import type { Ground } from '../../ground.ts'
import type { BenchOptions } from '../../options.ts'

const SERVER = fileURLToPath(new URL('./server.ts', import.meta.url))

/** An LRU cache of as many `pg.Pool`s of one connection as the budget has connections. */
export function pgPoolLru(ground: Ground, options: BenchOptions, folder: string): Contestant {
  const key = `peer_${randomBytes(32).toString('base64url')}`
  const tenants = Object.fromEntries([...ground.tenants].map(([id, { dsn }]) => [id, dsn]))
  return {
    name: 'pg-pool-lru',
    description: `Hono, lru-cache of ${options.budget} × pg.Pool(max 1); a pool in use is ended after its use`,
    key,
    start: async () => {
      const port = await freePort()
      const config = join(folder, 'peer.json')
      await writeFile(config, JSON.stringify({ key, port, maxPools: options.budget, tenants }), {
        mode: 0o600,
      })
      const command = [process.execPath, '--import', 'tsx', SERVER]
      const env = { PEER_CONFIG: config, NODE_ENV: 'production' }
      return startProcess(command, env, `http://127.0.0.1:${port}`, join(folder, 'peer.log'))
    },
  }
}
