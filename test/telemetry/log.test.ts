import { describe, expect, it } from 'vitest'
import { InternalError, LoginFailedError, SqlError } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { openLog } from '../../src/telemetry/log.ts'

function logged(write: (log: ReturnType<typeof openLog>) => void, level = 'debug'): string {
  const lines: string[] = []
  write(openLog(level, { write: (line: string) => void lines.push(line) }))
  return lines.join('')
}

describe('the log', () => {
  it('writes one JSON object a line, and nothing below its level', () => {
    const text = logged((log) => {
      log.debug({ n: 1 }, 'quiet')
      log.info({ n: 2 }, 'said\nonce')
    }, 'info')
    expect(JSON.parse(text)).toMatchObject({ n: 2, msg: 'said\nonce' })
    expect(text.trimEnd().split('\n')).toHaveLength(1)
  })

  it('keeps the message and causes of our errors, so that a fault can be found', () => {
    const cause = new LoginFailedError('28P01 for role x on server main')
    const text = logged((log) => log.warn({ err: new InternalError('outer', { cause }) }, 'failed'))
    expect(JSON.parse(text).err).toMatchObject({
      code: 'internal',
      message: 'outer',
      cause: { code: 'login_failed', message: '28P01 for role x on server main' },
    })
  })

  it('says of an SQL error its state, and nothing that Postgres wrote, for that repeats values', () => {
    const fields = { message: 'invalid input syntax: "canary"', code: '22P02', detail: 'canary' }
    const driver = Object.assign(new Error('canary'), {
      severity: 'ERROR',
      code: '22P02',
      parameters: ['canary'],
    })
    const text = logged((log) => {
      log.error({ err: new SqlError(fields, { cause: driver }) }, 'a')
      log.error({ err: new InternalError('b', { cause: driver }) }, 'b')
    })
    expect(text).toContain('22P02')
    expect(text).not.toContain('canary')
  })

  it('hides what has the name of a secret, and every Secret', () => {
    const text = logged((log) =>
      log.info(
        {
          password: 'canary',
          deep: { dsn: 'canary', more: { secret: 'canary' } },
          key: new Secret('canary'),
        },
        'x',
      ),
    )
    expect(text).not.toContain('canary')
  })

  it('ends a chain of causes that never ends', () => {
    const error = new Error('round')
    error.cause = error
    expect(logged((log) => log.error({ err: error }, 'x'))).toContain('round')
  })
})
