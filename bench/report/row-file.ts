import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { Row } from './row.ts'

/** Rows that are kept between runs. Nothing where there is no file. */
export async function readRows(path: string): Promise<Row[]> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text === undefined ? [] : z.array(Row).parse(JSON.parse(text))
}

/** Keeps a row in the place of an earlier one of its scenario and latency. @returns all rows. */
export async function keepRow(path: string, row: Row): Promise<Row[]> {
  const isOther = ({ scenario, latencyMs }: Row) => scenario !== row.scenario || latencyMs !== row.latencyMs
  const rows = [...(await readRows(path)).filter(isOther), row]
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${JSON.stringify(rows, null, 1)}\n`)
  return rows
}
