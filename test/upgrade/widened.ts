/** A node of a JSON schema, as zod writes them. */
export type Schema = { readonly [keyword: string]: unknown }

const AT_MOST = ['maxLength', 'maximum', 'exclusiveMaximum', 'maxItems'] as const
const AT_LEAST = ['minLength', 'minimum', 'exclusiveMinimum', 'minItems'] as const

/** Where a value that `now` allows may be refused by `before`: one line each, with its path. */
export function widened(before: unknown, now: unknown, path = ''): string[] {
  const [old, young] = [asSchema(before), asSchema(now)]
  if (Object.keys(old).every((keyword) => keyword === 'default')) return [] // it takes anything
  const choices = branchesOf(young)
  if (choices.length > 0) return choices.flatMap((choice) => fitting(old, choice, path))
  if (branchesOf(old).length > 0) return fitting(old, young, path)
  return [...values(old, young, path), ...bounds(old, young, path), ...fields(old, young, path)]
}

/** What keeps a branch from the one of the old branches that it is nearest to. */
function fitting(old: Schema, choice: Schema, path: string): string[] {
  const branches = branchesOf(old)
  const misfits = (branches.length > 0 ? branches : [old]).map((branch) => widened(branch, choice, path))
  return misfits.reduce((least, next) => (next.length < least.length ? next : least))
}

function values(old: Schema, young: Schema, path: string): string[] {
  const allowed = literalsOf(old)
  const written = literalsOf(young)
  if (allowed !== undefined) {
    if (written === undefined) return [`${path}: anything, not only ${JSON.stringify(allowed)}`]
    return written.filter((one) => !allowed.includes(one)).map((one) => `${path}: ${JSON.stringify(one)}`)
  }
  const types = typesOf(old)
  return typesOf(young)
    .filter((type) => !types.includes(type) && !(type === 'integer' && types.includes('number')))
    .map((type) => `${path}: of type ${String(type)}`)
}

function bounds(old: Schema, young: Schema, path: string): string[] {
  const isLooser = (keyword: string, direction: 1 | -1) => {
    const [was, is] = [old[keyword], young[keyword]]
    return typeof was === 'number' && (typeof is !== 'number' || (is - was) * direction > 0)
  }
  const looser = [
    ...AT_MOST.filter((keyword) => isLooser(keyword, 1)),
    ...AT_LEAST.filter((keyword) => isLooser(keyword, -1)),
    ...['pattern', 'format'].filter(
      (keyword) => old[keyword] !== undefined && old[keyword] !== young[keyword],
    ),
  ]
  return looser.map((keyword) => `${path}: ${keyword} ${String(young[keyword])}, was ${String(old[keyword])}`)
}

function fields(old: Schema, young: Schema, path: string): string[] {
  const [known, written] = [asSchema(old['properties']), asSchema(young['properties'])]
  const rest = old['additionalProperties']
  const required = listOf(young['required'])
  return [
    ...listOf(old['required']).flatMap((name) =>
      required.includes(name) ? [] : [`${path}.${String(name)}: left out`],
    ),
    ...Object.entries(written).flatMap(([name, schema]) => {
      if (name in known) return widened(known[name], schema, `${path}.${name}`)
      return rest === false ? [`${path}.${name}: a new field`] : widened(rest, schema, `${path}.${name}`)
    }),
    ...['additionalProperties', 'propertyNames', 'items'].flatMap((part) =>
      typeof old[part] === 'object' ? widened(old[part], young[part], `${path}.*`) : [],
    ),
    ...listOf(old['prefixItems']).flatMap((item, index) =>
      widened(item, listOf(young['prefixItems'])[index], `${path}.${index}`),
    ),
  ]
}

function branchesOf(schema: Schema): Schema[] {
  return [...listOf(schema['anyOf']), ...listOf(schema['oneOf'])].map(asSchema)
}

function literalsOf(schema: Schema): unknown[] | undefined {
  if ('const' in schema) return [schema['const']]
  return 'enum' in schema ? listOf(schema['enum']) : undefined
}

function typesOf({ type }: Schema): unknown[] {
  return Array.isArray(type) ? type : type === undefined ? [] : [type]
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function asSchema(value: unknown): Schema {
  return typeof value === 'object' && value !== null ? (value as Schema) : {} // a parse boundary: JSON
}
