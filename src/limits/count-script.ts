import { RedisScript } from '../redis/redis-script.ts'
import { SLICES } from './sliding-window.ts'

/**
 * Counts one request of one tenant, or says why it may not run; as `SlidingWindow` does, by the clock of Redis.
 * KEYS: the slices of its window, its slots. ARGV: quota (0: not limited), milliseconds of a slice, slots (0: not
 * limited), the slot to take, milliseconds that a slot lasts, 1 to count or 0 to look.
 * Gives: 0 allowed, 1 rate limited, 2 concurrency limited; requests left; milliseconds until some come back; slots taken.
 *
 * Slices and slots of a later time are of a clock that was set back since: they count for nothing.
 */
export const COUNT = new RedisScript(`
local quota, slice_ms, slots = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slot, slot_ms, counts = ARGV[4], tonumber(ARGV[5]), ARGV[6] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local remaining, reset_ms, taken, slice, used = 0, 0, 0, 0, 0
if quota > 0 then
  slice = math.floor(now / slice_ms)
  local oldest = slice
  local held = redis.call('HGETALL', KEYS[1])
  for i = 1, #held, 2 do
    local one = tonumber(held[i])
    if one < slice - ${SLICES} or one > slice then
      redis.call('HDEL', KEYS[1], held[i])
    else
      used = used + tonumber(held[i + 1])
      if one < oldest then oldest = one end
    end
  end
  remaining = math.max(0, quota - used)
  reset_ms = (oldest + ${SLICES + 1}) * slice_ms - now
  if used == 0 then reset_ms = 0 end
end
if slots > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], now + slot_ms + 1, '+inf')
  taken = redis.call('ZCARD', KEYS[2])
end
if quota > 0 and used >= quota then return {1, remaining, reset_ms, taken} end
if slots > 0 and taken >= slots then return {2, remaining, reset_ms, taken} end
if counts then
  if quota > 0 then
    redis.call('HINCRBY', KEYS[1], string.format('%.0f', slice), 1)
    redis.call('PEXPIRE', KEYS[1], slice_ms * ${SLICES + 1})
    remaining = remaining - 1
    if used == 0 then reset_ms = (slice + ${SLICES + 1}) * slice_ms - now end
  end
  if slots > 0 then
    redis.call('ZADD', KEYS[2], now + slot_ms, slot)
    redis.call('PEXPIRE', KEYS[2], slot_ms)
    taken = taken + 1
  end
end
return {0, remaining, reset_ms, taken}
`)

/**
 * Makes slots last on, also where they were lost or had run out: their requests still run.
 * KEYS: the slots of one tenant. ARGV: milliseconds that a slot lasts, then the slots.
 */
export const RENEW = new RedisScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`)
