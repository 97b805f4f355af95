/** A record as somebody reads it: a line for each thing that it says, what belongs to one thing further in. */
export function recordLines(record: object, indent = ''): string[] {
  return Object.entries(record).flatMap(([name, value]: [string, unknown]) => {
    const inner = innerLines(value, `${indent}  `)
    return inner === undefined
      ? [`${indent}${name}: ${text(value)}`]
      : inner.length === 0
        ? [`${indent}${name}: -`]
        : [`${indent}${name}:`, ...inner]
  })
}

/** Undefined for what is said in a word. */
function innerLines(value: unknown, indent: string): string[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (!Array.isArray(value)) return recordLines(value, indent)
  return value.map((item: unknown) => `${indent}- ${inline(item)}`)
}

function inline(item: unknown): string {
  if (typeof item !== 'object' || item === null) return text(item)
  const parts = Object.entries(item).map(([name, value]: [string, unknown]) => `${name} ${inline(value)}`)
  return parts.join(', ')
}

function text(value: unknown): string {
  if (value === null || value === '') return '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
