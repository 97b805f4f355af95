import { InternalError, InvalidRequestError } from '../errors.ts'

/** First words of statements that begin or end a transaction, or part of one. */
const CONTROL: ReadonlySet<string> = new Set([
  'ABORT',
  'BEGIN',
  'COMMIT',
  'END',
  'PREPARE',
  'RELEASE',
  'ROLLBACK',
  'SAVEPOINT',
  'START',
])

/** Blanks, empty statements, and both kinds of comment but for what is nested in a block. */
const BLANK = /^(?:[\s;]+|--[^\n\r]*)+/
const WORD = /^[A-Za-z_]+/

/**
 * Inside a transaction that we begin and commit, the caller's own COMMIT would end it: `COMMIT AND CHAIN`
 * even without a trace in the transaction status.
 * @throws {InvalidRequestError} the statement is one of those.
 */
export function refuseTransactionControl(sql: string, name: string): void {
  const word = firstWord(sql).toUpperCase()
  if (CONTROL.has(word))
    throw new InvalidRequestError(`${name} begins with ${word}: the transaction is begun and ended for you.`)
}

/**
 * The net below `refuseTransactionControl`: what the server says it did.
 * @param command the tag without counts.
 */
export function assertNoTransactionControl(command: string): void {
  if (CONTROL.has(command.split(' ')[0] ?? ''))
    throw new InternalError(`a statement inside a transaction answered ${command}`)
}

/** As the server's lexer finds it: block comments nest. */
function firstWord(sql: string): string {
  let rest = sql
  for (;;) {
    const begin = rest.replace(BLANK, '')
    if (!begin.startsWith('/*')) return WORD.exec(begin)?.[0] ?? ''
    rest = afterBlockComment(begin)
  }
}

function afterBlockComment(sql: string): string {
  let depth = 0
  for (const { 0: mark, index } of sql.matchAll(/\/\*|\*\//g)) {
    depth += mark === '/*' ? 1 : -1
    if (depth === 0) return sql.slice(index + mark.length)
  }
  return '' // never closed: the server will say so
}
