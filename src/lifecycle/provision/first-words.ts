/** What no statement ends in: blanks, line comments, strings, names in quotes, and the mark of a body in dollars. */
const SKIPPED =
  /\s+|--[^\n\r]*|[eE]'[^'\\]*(?:(?:''|\\[^])[^'\\]*)*'|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y
const WORD = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y

/**
 * The first two words of each statement of a text, in capitals, as the server's lexer finds them under
 * `standard_conforming_strings`. What is in parentheses, or from BEGIN ATOMIC to its END, is part of its
 * statement.
 */
export function firstWords(sql: string): string[] {
  const statements: string[] = []
  let statement = new Statement()
  for (let at = 0; at < sql.length; ) {
    const end = endOfSkipped(sql, at)
    if (end !== undefined) {
      at = end
      continue
    }
    const word = matchAt(WORD, sql, at)?.[0]
    const token = word ?? sql.charAt(at)
    if (token === ';' && statement.mayEnd()) {
      statements.push(statement.head.join(' '))
      statement = new Statement()
    } else if (word === undefined) statement.mark(token)
    else statement.word(word.toUpperCase())
    at += token.length
  }
  return [...statements, statement.head.join(' ')].filter(Boolean)
}

class Statement {
  /** The first two words. */
  readonly head: string[] = []
  #last = ''
  #parentheses = 0
  /** BEGIN ATOMIC, and each CASE in it, up to their END. */
  #blocks = 0

  word(word: string): void {
    if (this.head.length < 2) this.head.push(word)
    const isBody = word === 'ATOMIC' && this.#last === 'BEGIN' && this.head[0] === 'CREATE'
    if (isBody && this.#parentheses === 0) this.#blocks = 1
    else if (this.#blocks > 0 && word === 'CASE') this.#blocks += 1
    else if (this.#blocks > 0 && word === 'END') this.#blocks -= 1
    this.#last = word
  }

  mark(character: string): void {
    if (character === '(') this.#parentheses += 1
    if (character === ')') this.#parentheses -= 1
    this.#last = character
  }

  mayEnd(): boolean {
    return this.#parentheses <= 0 && this.#blocks === 0
  }
}

function endOfSkipped(sql: string, at: number): number | undefined {
  if (sql.startsWith('/*', at)) return endOfComment(sql, at)
  const found = matchAt(SKIPPED, sql, at)?.[0]
  if (found === undefined) return undefined
  const begin = at + found.length
  if (!found.startsWith('$')) return begin
  const end = sql.indexOf(found, begin)
  return end === -1 ? sql.length : end + found.length
}

/** They nest. */
function endOfComment(sql: string, at: number): number {
  const marks = /\/\*|\*\//g
  marks.lastIndex = at
  for (let depth = 0; ; ) {
    const mark = marks.exec(sql)
    if (mark === null) return sql.length // never closed: the server will say so
    depth += mark[0] === '/*' ? 1 : -1
    if (depth === 0) return marks.lastIndex
  }
}

function matchAt(pattern: RegExp, sql: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(sql)
}
