import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const HERE = import.meta.dirname
const COMPILER = join(HERE, '../../node_modules/.bin/tsc')
const MARK = '// @ts-expect-error'
const run = promisify(execFile)

/** Numbers of the lines of `text`, from 1, at which the compiler finds a fault. */
async function faultyLines(text: string): Promise<number[]> {
  // Below the project, so that it finds the packages, and where no other check looks.
  const cache = join(HERE, '../../.cache')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, 'types-'))
  try {
    const settings = { extends: '../../tsconfig.json', include: ['mistakes.ts'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings))
    await writeFile(join(folder, 'mistakes.ts'), text)
    const { stdout } = await run(COMPILER, ['-p', folder, '--pretty', 'false']).catch(
      (failed: { readonly stdout: string }) => failed,
    )
    return [...stdout.matchAll(/mistakes\.ts\((\d+),\d+\): error TS/g)].map(([, line]) => Number(line))
  } finally {
    await rm(folder, { recursive: true })
  }
}

it('the compiler refuses each of the mistakes, and nothing that stands beside them', async () => {
  const text = await readFile(join(HERE, 'mistakes.ts'), 'utf8')
  const lines = text.split('\n')
  const mistakes = lines.flatMap((line, at) => (line.includes(MARK) ? [at + 2] : []))
  expect(mistakes.length).toBeGreaterThan(20)
  const faulty = await faultyLines(text.replaceAll(MARK, '//'))
  expect([...new Set(faulty)]).toEqual(mistakes)
}, 120_000)
