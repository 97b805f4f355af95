import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What YAML can hold, so that a test may walk it without knowing its shape. */
export type Yaml = string | number | boolean | null | Yaml[] | { [key: string]: Yaml }

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** @throws when a document of the file is not well-formed, or holds a key twice. */
export function readYaml(path: string): Yaml[] {
  return parseAllDocuments(readText(path)).map((document) => {
    if (document.errors[0]) throw document.errors[0]
    return document.toJS() as Yaml // a parse boundary: YAML of the core schema is nothing else
  })
}

export function yamlFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).filter((name) => /\.ya?ml$/.test(name))
}

/** The value at a path such as `spec.template.spec.containers.0`; undefined where there is none. */
export function at(value: Yaml | undefined, path: string): Yaml | undefined {
  let here = value
  for (const step of path.split('.')) {
    if (typeof here !== 'object' || here === null) return undefined
    here = Array.isArray(here) ? here[Number(step)] : here[step]
  }
  return here
}

/** As `at`, for a text or a number. @throws where there is none. */
export function textAt(value: Yaml | undefined, path: string): string {
  const found = at(value, path)
  if (typeof found === 'string' || typeof found === 'number') return String(found)
  throw new Error(`no text at ${path}`)
}

/** As `at`, for a list of texts; empty where there is none. */
export function textsAt(value: Yaml | undefined, path: string): string[] {
  const found = at(value, path)
  return Array.isArray(found) ? found.map((_, index) => textAt(found, String(index))) : []
}
