import { readFileSync } from 'node:fs'

const linesOf = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)

/** Lines of code on a page that are not, as they stand there, in the test that runs them. */
export function unrun(page: string, test: string): string[] {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const blocks = [...read(page).matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  if (blocks.length === 0) throw new Error(`there is no code on ${page}`)
  const run = new Set(linesOf(read(test)))
  return blocks.flatMap(linesOf).filter((line) => !run.has(line))
}
