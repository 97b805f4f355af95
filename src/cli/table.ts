type Cell = string | number | boolean | null | undefined

/** A number, or one with its unit: they are compared by where they end. */
const AMOUNT = /^\d+(?:\.\d+)? (?:ms|s|min|h|d|%)$|^\d+ of \d+$/

/** Rows under their headings, columns as wide as they need to be; those of numbers and amounts end on one line. */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const lines = [headings, ...rows.map((row) => row.map((cell) => String(cell ?? '-')))]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const isAmount = (cell: Cell) => typeof cell === 'number' || (typeof cell === 'string' && AMOUNT.test(cell))
  const areAmounts = headings.map(
    (_, column) => rows.length > 0 && rows.every((row) => isAmount(row[column])),
  )
  return lines.map((line) =>
    line
      .map((cell, column) =>
        areAmounts[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}
