import { describe, expect, it } from 'vitest'
import {
  AcquireTimeoutError,
  CancelledError,
  ConnectionLostError,
  IdentityMismatchError,
  IdentityUnknownError,
  LoginFailedError,
  OutcomeUnknownError,
  PasswordUnavailableError,
  SealingFailedError,
  ServerUnavailableError,
  SqlError,
  TlsFailedError,
  UnsupportedError,
} from '../../src/errors.ts'
import { failureClass } from '../../src/router/breaker/failure-class.ts'

const silent = (code?: string) =>
  new ServerUnavailableError('x', { cause: code ? Object.assign(new Error(code), { code }) : undefined })
const said = (sqlstate: string, text = 'text') =>
  new ServerUnavailableError(`r@h:1/d: ${sqlstate}: ${text}`, { sqlstate })
const refused = (sqlstate?: string) => new LoginFailedError('x', sqlstate ? { sqlstate } : {})

describe('a failed opening', () => {
  it.each([
    ['nothing listens', silent('ECONNREFUSED'), 'unreachable'],
    ['no route', silent('EHOSTUNREACH'), 'unreachable'],
    ['no such name', silent('ENOTFOUND'), 'unreachable'],
    ['no name server', silent('EAI_AGAIN'), 'unreachable'],
    ['a reset', silent('ECONNRESET'), 'unanswered'],
    ['accepted, then closed, or no answer in time', silent(), 'unanswered'],
    ['no descriptor left here', silent('EMFILE'), 'ours'],
    ['starting, stopping', said('57P03'), 'starting'],
    ['ended by somebody while it logged in', said('57P01'), 'interrupted'],
    ['full', said('53300', 'sorry, too many clients already'), 'full'],
    [
      'only reserved places',
      said(
        '53300',
        'remaining connection slots are reserved for roles with privileges of the "pg_use_reserved_connections" role',
      ),
      'full',
    ],
    ['the role at its limit', said('53300', 'too many connections for role "r"'), 'tenant-full'],
    ['the database at its limit', said('53300', 'too many connections for database "d"'), 'tenant-full'],
    ['disk full', said('53100'), 'resource'],
    ['memory full', said('53200'), 'resource'],
    ['broken inside', said('XX000'), 'resource'],
    ['disk full in its first statement', new SqlError({ code: '53100', message: 'full' }), 'resource'],
    ['wrong password', refused('28P01'), 'auth'],
    ['NOLOGIN', refused('28000'), 'tenant'],
    ['no CONNECT', refused('42501'), 'tenant'],
    ['not accepting', refused('55000'), 'tenant'],
    ['no database', refused('3D000'), 'tenant'],
    ['a way to log in that we refuse', refused(), 'tenant'],
    ['another certificate', new TlsFailedError('x'), 'tenant'],
    ['another tenant', new IdentityMismatchError('x'), 'tenant'],
    ['not recognised', new IdentityUnknownError('x'), 'tenant'],
    ['another master key', new SealingFailedError('x'), 'unasked'],
    ['a password provider that fails', new PasswordUnavailableError('x'), 'unasked'],
    ['a password provider that is not here', new UnsupportedError('x', 'y'), 'unasked'],
    ['lost before its first statement', new ConnectionLostError('x'), 'interrupted'],
    ['lost under its first statement', new OutcomeUnknownError('x'), 'interrupted'],
    ['given up by us', new CancelledError('x'), 'ours'],
    ['an error of another kind', new AcquireTimeoutError('x'), 'ours'],
    ['no error of ours', new TypeError('x'), 'ours'],
  ])('because of %s is told apart', (_, error, expected) => {
    expect(failureClass(error)).toBe(expected)
  })
})
