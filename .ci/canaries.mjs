// Fails where a text that tests send as a secret turned up in what was printed. Usage: node .ci/canaries.mjs LOG…
import { readFileSync } from 'node:fs'

const source = readFileSync(new URL('../test/support/canary.ts', import.meta.url), 'utf8')
const canaries = [...source.matchAll(/ = '([^']+)'/g)].map(([, text]) => text)
const logs = process.argv.slice(2)
const found = logs.flatMap((path) => {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => canaries.some((canary) => line.includes(canary)))
})
for (const line of found) console.error(`holds a secret: ${line}`)
console.log(`${canaries.length} canaries, ${logs.length} logs, ${found.length} lines that hold one`)
process.exit(canaries.length > 0 && logs.length > 0 && found.length === 0 ? 0 : 1)
