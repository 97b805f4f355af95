/** What moves a cursor, colours, hides or turns around what stands there; lines and tabs are told as they are. */
const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * A text for a terminal: errors of servers, names in tenants' databases and reasons of callers are shown as they were
 * written and do nothing. Escaped as JSON does, so that JSON means what it meant.
 */
export function plainText(text: string): string {
  return text.replaceAll(UNSEEN, escaped)
}

/** As `plainText`, and no line of its own making. */
export function plainLine(line: string): string {
  return plainText(line).replaceAll('\n', escaped)
}

function escaped(letter: string): string {
  const units = Array.from({ length: letter.length }, (_, at) => letter.charCodeAt(at))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}
