// Runs `npm start` as a newcomer would, asks each tenant for its rows, and looks that nothing is left afterwards.
// Usage: node .ci/smoke.mjs RESULT.json
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { familyOf, isListening, isRunning, portsOf } from './processes.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DEMO = `${ROOT}.tenantry/demo.json`
const FIRST_START_MS = 30_000
const SECOND_START_MS = 5_000
/** A start that takes longer has failed. */
const PATIENCE_MS = 90_000
const STOP_MS = 20_000
const TENANTS = ['acme', 'globex', 'initech']

const result = { passed: 0, failed: 0 }
/** Started and not yet seen to end, whatever happens. */
let running
/** The Postgres that a killed start left: no child of the next one, which takes it over. */
let orphans = []

function check(promise, holds, seen = '') {
  result[holds ? 'passed' : 'failed']++
  console.log(`${holds ? 'ok' : 'FAILED'}: ${promise}${holds || seen === '' ? '' : ` (${seen})`}`)
}

/** Resolves when the demo says it is ready, with what it wrote and how long it took. */
async function start() {
  const began = Date.now()
  const child = spawn('npm', ['start'], { cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running = { child, output: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (running.output += chunk))
  while (Date.now() - began < PATIENCE_MS) {
    if (child.exitCode !== null) break
    const demo = fresh(began)
    if (demo && (await isReady(demo))) return { demo, tookMs: Date.now() - began }
    await delay(50)
  }
  throw new Error(`npm start is not ready after ${Date.now() - began} ms:\n${running.output}`)
}

/** demo.json of this start; one of an earlier run is older, unless nothing in it had to change. */
function fresh(began) {
  if (!existsSync(DEMO)) return undefined
  const isOurs = statSync(DEMO).mtimeMs >= began || running.output.includes('curl')
  return isOurs ? JSON.parse(readFileSync(DEMO, 'utf8')) : undefined
}

async function isReady(demo) {
  const answer = await fetch(`${demo.opsUrl}/readyz`).catch(() => undefined)
  return answer?.status === 200
}

async function query(demo, headers, sql) {
  const answer = await fetch(`${demo.url}/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ sql }),
    signal: AbortSignal.timeout(10_000),
  })
  return { status: answer.status, body: await answer.json() }
}

const bearer = (key) => ({ authorization: `Bearer ${key}` })

async function checkRows(demo) {
  const sql = 'select * from projects order by 1'
  const seen = new Map()
  for (const tenant of TENANTS) {
    const { status, body } = await query(demo, bearer(demo.tenants[tenant].key), sql)
    check(
      `${tenant} reads its rows with its key`,
      status === 200 && body.rows.length > 0,
      `${status} ${JSON.stringify(body)}`,
    )
    seen.set(tenant, JSON.stringify(body.rows))
    const service = await query(demo, { ...bearer(demo.serviceKey), 'x-tenant-id': tenant }, sql)
    check(
      `the service key reads the same rows of ${tenant}`,
      service.status === 200 && JSON.stringify(service.body.rows) === seen.get(tenant),
      `${service.status}`,
    )
  }
  check('no two tenants have the same rows', new Set(seen.values()).size === TENANTS.length)
  const stranger = await query(demo, bearer('tk_000000000000_wrong'), sql)
  check('a wrong key reads nothing', stranger.status === 401, `${stranger.status}`)
  const crossing = await query(demo, { ...bearer(demo.tenants.acme.key), 'x-tenant-id': 'globex' }, sql)
  check('a key of one tenant reads nothing of another', crossing.status >= 400, `${crossing.status}`)
}

/** Ends npm with `signal` as a supervisor would, or its group as Ctrl-C does, and looks at what is left. */
async function stopWith(signal, demo) {
  const { child } = running
  const family = [...familyOf(child.pid), ...orphans.filter(isRunning)]
  const ports = portsOf(family)
  check(`before ${signal} it listens, and runs its own Postgres`, ports.length >= 3, `ports ${ports.join()}`)
  const slow = query(demo, bearer(demo.tenants.acme.key), 'select pg_sleep(1)').catch(() => undefined)
  await leased(demo)
  process.kill(signal === 'SIGINT' ? -child.pid : child.pid, signal)
  check(`a request under way at ${signal} is answered`, (await slow)?.status === 200)
  checkKeys(demo)
  const deadline = Date.now() + STOP_MS
  while (family.some(isRunning) && Date.now() < deadline) await delay(50)
  const left = family.filter(isRunning)
  check(`after ${signal} no process is left`, left.length === 0, `left ${left.map(({ pid }) => pid).join()}`)
  check(
    `after ${signal} no port is listened on`,
    !ports.some(isListening),
    `ports ${ports.filter(isListening).join()}`,
  )
  end(left)
}

/** Keys stand in the lines to paste, and nowhere else of what the demo wrote. */
function checkKeys({ operatorKey, serviceKey, tenants }) {
  const keys = [operatorKey, serviceKey, ...Object.values(tenants).map(({ key }) => key)]
  const lines = running.output.split('\n').filter((line) => keys.some((key) => line.includes(key)))
  check(
    'the lines to paste hold keys',
    lines.some((line) => line.startsWith('curl ')),
  )
  check(
    'no other line holds a key',
    lines.every((line) => line.startsWith('curl ')),
  )
}

async function leased({ opsUrl, operatorKey }) {
  const deadline = Date.now() + STOP_MS
  while (Date.now() < deadline) {
    const answer = await fetch(`${opsUrl}/v1/pools`, { headers: bearer(operatorKey) })
    if ((await answer.json()).connections.leased > 0) return
    await delay(20)
  }
}

/** Kills node alone, as the kernel would under memory pressure: Postgres stays. */
async function crash() {
  const family = familyOf(running.child.pid)
  const ours = family.filter(({ pid }) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'postgres')
  end(ours)
  while (ours.some(isRunning)) await delay(20)
  orphans = family.filter(isRunning)
  check('a kill -9 of the service leaves Postgres to the next start', orphans.length > 0)
}

function end(processes) {
  for (const one of processes) if (isRunning(one)) process.kill(one.pid, 'SIGKILL')
}

try {
  const first = await start()
  check('the first start is ready in 30 s', first.tookMs < FIRST_START_MS, `${first.tookMs} ms`)
  console.log(`first start: ${first.tookMs} ms`)
  check('demo.json is for its owner alone', (statSync(DEMO).mode & 0o077) === 0)
  await checkRows(first.demo)
  await crash()
  const second = await start()
  check('a start after a kill -9 is ready in 5 s', second.tookMs < SECOND_START_MS, `${second.tookMs} ms`)
  console.log(`second start: ${second.tookMs} ms`)
  await checkRows(second.demo)
  await stopWith('SIGTERM', second.demo)
  const third = await start()
  console.log(`third start: ${third.tookMs} ms`)
  await checkRows(third.demo)
  await stopWith('SIGINT', third.demo)
} catch (error) {
  check('the smoke run comes to its end', false, error instanceof Error ? error.message : String(error))
  if (running) {
    console.log(running.output)
    end([...familyOf(running.child.pid), ...orphans])
  }
} finally {
  const text = JSON.stringify(result)
  if (process.argv[2]) writeFileSync(process.argv[2], `${text}\n`)
  else console.log(text)
}
process.exit(result.failed === 0 ? 0 : 1)
