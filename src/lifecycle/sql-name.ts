/** A role, database or schema name as SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as SQL, for statements that take no parameters. Right only under `standard_conforming_strings`, which is pinned. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** Texts as a list for `in`; of none, one that nothing is in. */
export function namesAsSql(names: readonly string[]): string {
  return names.length === 0 ? 'null' : [...new Set(names)].map(quoteText).join(', ')
}
