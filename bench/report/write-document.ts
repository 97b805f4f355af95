import { readFile, writeFile } from 'node:fs/promises'

const BEGIN = '<!-- measured: begin -->'
const END = '<!-- measured: end -->'

/** Puts the tables between the two marks of a document, in place of what is there. */
export async function writeDocument(path: string, tables: string): Promise<void> {
  const text = await readFile(path, 'utf8')
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`${path} has no ${BEGIN} … ${END}`)
  await writeFile(path, `${text.slice(0, from + BEGIN.length)}\n\n${tables}\n\n${text.slice(to)}`)
}
