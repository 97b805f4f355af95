import pino, { type DestinationStream } from 'pino'
import { SqlError } from '../errors.ts'

/** What is written to by the rest of the service. Fields come first, the sentence second. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Names under which a secret could come, should a line ever be given one by mistake. */
const SECRET_FIELDS = ['authorization', 'password', 'secret', 'dsn', 'params', 'connectionString']
const MAX_CAUSES = 5

/** One JSON object a line, to standard output unless a destination is given. */
export function openLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError },
    redact: {
      paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
      censor: '***',
    },
  }
  return destination ? pino(options, destination) : pino(options)
}

interface ErrorDescription {
  readonly name: string
  readonly code?: string
  readonly message?: string
  readonly stack?: string
  readonly cause?: ErrorDescription
}

/**
 * What a log may know of an error. The text of an SQL error is left out, ours and the driver's alike: Postgres
 * writes values of parameters and rows into it.
 */
export function describeError(error: unknown, depth = 1): ErrorDescription {
  if (!(error instanceof Error)) return { name: typeof error }
  const { name, message, stack, cause } = error
  const code = codeOf(error)
  const isFromSql = error instanceof SqlError || 'severity' in error
  return {
    name,
    ...(code === undefined ? {} : { code }),
    ...(isFromSql ? {} : { message, stack: stack ?? '' }),
    ...(cause === undefined || depth >= MAX_CAUSES ? {} : { cause: describeError(cause, depth + 1) }),
  }
}

function codeOf(error: Error): string | undefined {
  if (error instanceof SqlError) return error.sqlstate
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
