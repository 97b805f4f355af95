/** A role, database or schema name as SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as SQL, for statements that take no parameters. Right only under `standard_conforming_strings`, which is pinned. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
