import { describe, expect, it } from 'vitest'
import { isAlive } from '../../src/demo/process-table.ts'
import { startRedis } from './redis.ts'

describe('a Redis of its own', () => {
  it('answers who knows its password, is empty after it was killed, and leaves nothing when it is stopped', async () => {
    const redis = await startRedis({ password: 'its "password" @/' })
    await redis.command('set', 'k', 'v')
    expect(await redis.command('get', 'k')).toBe('v')
    const first = redis.pid
    await redis.kill()
    await expect(redis.command('get', 'k')).rejects.toThrow('Connection is closed')
    await redis.restart()
    expect(await redis.command('get', 'k')).toBeNull()
    redis.freeze()
    const answer = redis.command('ping')
    redis.resume()
    expect(await answer).toBe('PONG')
    const second = redis.pid
    await redis.stop()
    expect([isAlive(first), isAlive(second)]).toEqual([false, false])
  })
})
