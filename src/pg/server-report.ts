import pg from 'pg'

/** The letter of a field of ErrorResponse and NoticeResponse → its name in pg. */
const NAMES: Readonly<Record<string, string>> = {
  S: 'severity',
  C: 'code',
  D: 'detail',
  H: 'hint',
  P: 'position',
  p: 'internalPosition',
  q: 'internalQuery',
  W: 'where',
  s: 'schema',
  t: 'table',
  c: 'column',
  d: 'dataType',
  n: 'constraint',
  F: 'file',
  L: 'line',
  R: 'routine',
}
/** pg counts the message's own length with its body. */
const LENGTH_BYTES = 4

/** @param body of an ErrorResponse */
export function databaseError(body: Buffer): pg.DatabaseError {
  const { message, fields } = read(body)
  return Object.assign(new pg.DatabaseError(message, body.length + LENGTH_BYTES, 'error'), fields)
}

/** What pg hands to listeners of `notice`. @param body of a NoticeResponse */
export function notice(body: Buffer): object {
  const { message, fields } = read(body)
  return { length: body.length + LENGTH_BYTES, name: 'notice', message, ...fields }
}

/** Fields that the server left out are there, too, and undefined. */
function read(body: Buffer) {
  const parts = new Map<string, string>()
  for (const part of body.toString('utf8').split('\0')) if (part) parts.set(part.charAt(0), part.slice(1))
  const fields = Object.fromEntries(Object.entries(NAMES).map(([letter, name]) => [name, parts.get(letter)]))
  return { message: parts.get('M') ?? '', fields }
}
