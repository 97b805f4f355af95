// What a newcomer does, with the package as it would be published: `tenantry init`, install, start, create a tenant, its
// first row. Prints how long each step took.
// Usage: node .ci/newcomer.mjs RESULT.json
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
// Not in the checkout, whose packages and settings would be found from there.
const FOLDER = mkdtempSync(join(realpathSync(tmpdir()), 'tenantry-newcomer-'))
const APP = join(FOLDER, 'my-app')
const FIRST_ROW_MS = 120_000
const PATIENCE_MS = 90_000
const STOP_MS = 20_000

const result = { passed: 0, failed: 0 }
const started = []

function check(promise, holds, seen = '') {
  result[holds ? 'passed' : 'failed']++
  console.log(`${holds ? 'ok' : 'FAILED'}: ${promise}${holds || seen === '' ? '' : ` (${seen})`}`)
}

function run(cwd, command, ...args) {
  const began = Date.now()
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 300_000 })
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`)
  return { out: stdout.trim(), tookMs: Date.now() - began }
}

/** A process group of its own, so that what npm starts ends with it. */
function start(...args) {
  const env = { ...process.env, PORT: String(port) }
  const child = spawn('npm', ['run', '--silent', ...args], { cwd: APP, env, detached: true })
  const one = { child, output: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (one.output += chunk))
  started.push(one)
  return one
}

async function until(one, text) {
  const deadline = Date.now() + PATIENCE_MS
  while (!one.output.includes(text)) {
    if (one.child.exitCode !== null || Date.now() > deadline)
      throw new Error(`no "${text}" in:\n${one.output}`)
    await delay(50)
  }
}

async function stop({ child }) {
  const deadline = Date.now() + STOP_MS
  if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGINT')
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) await delay(50)
  if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL')
}

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

const tokenOf = (tenant) => run(APP, 'npm', 'run', '--silent', 'token', tenant).out

async function ask(token, body) {
  const authorization = `Bearer ${token}`
  const method = body === undefined ? 'GET' : 'POST'
  const answer = await fetch(`http://127.0.0.1:${port}/projects`, {
    method,
    headers: { authorization },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  })
  return { status: answer.status, body: await answer.json() }
}

/** Where root's Postgres has its data, as src/demo/embedded-postgres.ts says. */
function rootFolderOf(path) {
  const digest = createHash('sha256').update(path).digest('hex').slice(0, 12)
  return join('/var/lib/tenantry', `${basename(path)}-${digest}`)
}

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`
const port = await freePort()

try {
  if (!existsSync(join(ROOT, 'dist/cli.js'))) run(ROOT, 'npm', 'run', '--silent', 'build')
  const packed = JSON.parse(run(ROOT, 'npm', 'pack', '--json', '--pack-destination', FOLDER).out)
  const tarball = join(FOLDER, packed[0].filename)

  const init = run(FOLDER, process.execPath, join(ROOT, 'dist/cli.js'), 'init', 'my-app')
  console.log(`tenantry init: ${seconds(init.tookMs)}`)
  // As long as the package is not in a registry.
  const manifest = JSON.parse(readFileSync(join(APP, 'package.json'), 'utf8'))
  manifest.dependencies.tenantry = `file:${tarball}`
  writeFileSync(join(APP, 'package.json'), JSON.stringify(manifest, null, 2))
  const install = run(APP, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline')
  console.log(`npm install: ${seconds(install.tookMs)}`)

  const began = Date.now()
  const demo = start('demo')
  await until(demo, 'Ctrl-C ends everything')
  console.log(`npm run demo is ready: ${seconds(Date.now() - began)} after install`)
  const app = start('dev')
  await until(app, `http://127.0.0.1:${port}`)
  console.log(`npm run dev is ready: ${seconds(Date.now() - began)} after install`)
  const settings = ['--env-file', '.tenantry/demo.env', '--schema', 'schema.sql']
  run(APP, 'npx', 'tenantry', 'tenant', 'create', 'umbrella', ...settings)
  const [token, otherToken] = [tokenOf('umbrella'), tokenOf('acme')]
  const made = await ask(token, { name: 'Raincoats' })
  const own = await ask(token)
  const tookMs = Date.now() - began
  check('a new tenant stores its first row', made.status === 201, JSON.stringify(made))
  check(
    'it reads that row and no other',
    own.body.length === 1 && own.body[0].name === 'Raincoats',
    JSON.stringify(own),
  )
  const other = await ask(otherToken)
  const names = other.body.map((project) => project.name)
  check(
    'another tenant does not see it',
    names.length > 0 && !names.includes('Raincoats'),
    JSON.stringify(names),
  )
  check('the first row is there within two minutes of the install', tookMs < FIRST_ROW_MS, seconds(tookMs))
  console.log(`first isolated row: ${seconds(tookMs)} after install, with no line of code of one's own`)
  await stop(app)
  await stop(demo)

  const types = run(APP, 'npm', 'run', '--silent', 'typecheck')
  check('the app is free of errors of types, by the types in the package', true)
  const tests = run(APP, 'npm', 'test')
  check('its tests pass', /7 passed/.test(tests.out), tests.out)
  console.log(`its types: ${seconds(types.tookMs)}, its tests: ${seconds(tests.tookMs)}`)
  run(APP, 'npx', 'tenantry', 'init', '../second-app')
  check('the package holds the template', existsSync(join(FOLDER, 'second-app/app.ts')))
} catch (error) {
  check("the newcomer's path comes to its end", false, error instanceof Error ? error.message : String(error))
} finally {
  for (const one of started) await stop(one)
  rmSync(FOLDER, { recursive: true, force: true })
  for (const path of ['.tenantry/postgres', '.tenantry/test/postgres-18-1'])
    rmSync(rootFolderOf(join(APP, path)), { recursive: true, force: true })
  if (process.argv[2]) writeFileSync(process.argv[2], `${JSON.stringify(result)}\n`)
  else console.log(JSON.stringify(result))
}
process.exit(result.failed === 0 ? 0 : 1)
