import { isMap, isScalar, LineCounter, type ParsedNode, parseDocument, stringify } from 'yaml'
import { InvalidConfigError, RegistryTooNewError } from '../../errors.ts'
import { idOf } from '../record-schema.ts'
import type { Entry, Kind, Put } from '../registry.ts'
import { entryKey, type FileState } from './file-state.ts'
import { RegistryDocument, SCHEMA_VERSION, SECTIONS } from './registry-document.ts'

const HEADER = `# Tenantry's registry. To edit by hand: change the fields of a record, leave its revision as it is, save the
# whole file. Every process that uses it takes the change over within two seconds, or says what is wrong and
# goes on with the last good state.
`

type Path = readonly PropertyKey[]

/**
 * @throws {InvalidConfigError} with line and field of each fault; values are not repeated, they may be anything.
 * @throws {RegistryTooNewError}
 */
export function parseRegistryText(text: string, file: string): FileState {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    // Not the parser's message, which repeats the text it stumbled over.
    throw new InvalidConfigError(
      document.errors.map((error) => `${file}:${lines.linePos(error.pos[0]).line}: not YAML (${error.code})`),
    )
  }
  const content: unknown = document.toJS()
  refuseNewer(content, file)
  const lineOf = (path: Path) => {
    const offset = offsetOf(document.contents, path)
    return offset === undefined ? 1 : lines.linePos(offset).line
  }
  const parsed = RegistryDocument.safeParse(content)
  if (!parsed.success) {
    throw new InvalidConfigError(
      parsed.error.issues.map(
        ({ path, message }) => `${file}:${lineOf(path)}: ${path.join('.')}: ${message}`,
      ),
    )
  }
  const { id, generation, revision, changes } = parsed.data
  return {
    id,
    generation,
    revision,
    entries: entriesOf(parsed.data, (path) => `${file}:${lineOf(path)}: ${path.join('.')}`),
    changes: changes.map(([changed, kind, changedId]) => ({ revision: changed, kind, id: changedId })),
  }
}

export function formatRegistry(state: FileState): string {
  const sections = Object.entries(SECTIONS).map(([kind, name]) => {
    const chunks = [...state.entries.values()].filter((entry) => entry.kind === kind).map(formatEntry)
    return chunks.length === 0 ? `${name}: {}\n` : `${name}:\n${chunks.join('')}`
  })
  const changes = state.changes.map((c) => `  - ${JSON.stringify([c.revision, c.kind, c.id])}\n`)
  return [
    HEADER,
    stringify({ schema: SCHEMA_VERSION, id: state.id }),
    ...sections,
    changes.length === 0 ? 'changes: []\n' : `changes:\n${changes.join('')}`,
    stringify({ generation: state.generation, revision: state.revision, complete: true }),
  ].join('')
}

/** Entries never change, so each is formatted once however often the file is written. */
const formatted = new WeakMap<Entry, string>()

function formatEntry(entry: Entry): string {
  let text = formatted.get(entry)
  if (text === undefined) {
    const block = stringify({ [entry.id]: { revision: entry.revision, ...entry.record } }, { lineWidth: 0 })
    text = block.replaceAll(/^(?=.)/gm, '  ')
    formatted.set(entry, text)
  }
  return text
}

function entriesOf(document: RegistryDocument, describe: (path: Path) => string): Map<string, Entry> {
  const entries = new Map<string, Entry>()
  const faults: string[] = []
  for (const [kind, name] of Object.entries(SECTIONS) as [Kind, (typeof SECTIONS)[Kind]][]) {
    for (const [id, { revision = 0, ...record }] of Object.entries(document[name])) {
      const put = { kind, id, record } as Put // the section's schema made it a record of this kind
      if (idOf(put) !== id) faults.push(`${describe([name, id])}: expected ${idOf(put)}, as the record says`)
      entries.set(entryKey(kind, id), { ...put, revision })
    }
  }
  if (faults.length > 0) throw new InvalidConfigError(faults)
  return entries
}

function refuseNewer(content: unknown, file: string): void {
  if (typeof content !== 'object' || content === null || !('schema' in content)) return
  if (typeof content.schema === 'number' && content.schema > SCHEMA_VERSION) {
    throw new RegistryTooNewError(
      `${file} has schema ${content.schema}, this version knows up to ${SCHEMA_VERSION}`,
    )
  }
}

/** Where the field begins, or else the nearest thing around it that is there. */
function offsetOf(root: ParsedNode | null, path: Path): number | undefined {
  let node: unknown = root
  let offset = root?.range[0]
  for (const step of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === step) : undefined
    if (pair === undefined || !isScalar(pair.key)) break
    offset = pair.key.range?.[0] ?? offset
    node = pair.value
  }
  return offset
}
