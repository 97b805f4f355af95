// Checks that package-lock.json says exactly what will be installed, wherever it is installed from, and asks npm
// for known weaknesses of what we ship. A registry that does not answer that question is reported, not failed.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const AUDIT_MS = 60_000
const read = (path) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'))
const manifest = read('package.json')
const lock = read('package-lock.json')
const faults = []

if (lock.lockfileVersion !== 3) faults.push(`lockfileVersion is ${lock.lockfileVersion}, not 3`)
for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === '') continue
  const name = path.split('node_modules/').at(-1)
  if (!entry.integrity?.startsWith('sha512-')) faults.push(`${path} has no sha512 integrity`)
  if (entry.resolved !== undefined) faults.push(`${path} names the registry it came from`)
  if (entry.hasInstallScript && manifest.allowScripts?.[name] === undefined) {
    faults.push(`${name} has an install script that allowScripts neither permits nor denies`)
  }
  // npm leaves out what the registry of the day did not have for other platforms, and npm ci refuses the result.
  for (const optional of Object.keys(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${optional}`
    if (!lock.packages[nested] && !lock.packages[`node_modules/${optional}`]) {
      faults.push(`${optional}, which ${name} has for other platforms, is not locked`)
    }
  }
}
for (const [name, range] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
  const locked = lock.packages[`node_modules/${name}`]?.version
  if (/^\d/.test(range) && locked !== range)
    faults.push(`${name} is pinned to ${range} and locked to ${locked}`)
}
// Its internals are used: any other version needs the contract tests read again.
if (!/^\d/.test(manifest.dependencies.postgres)) faults.push('postgres is not pinned to one version')

const audit = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8', timeout: AUDIT_MS })
const report = parsed(audit.stdout)
if (report?.metadata?.vulnerabilities) {
  for (const [name, { severity }] of Object.entries(report.vulnerabilities)) {
    faults.push(`${name} has a known weakness (${severity}); see npm audit --omit=dev`)
  }
  console.log(`npm audit: ${report.metadata.vulnerabilities.total} known weaknesses in what we ship`)
} else {
  console.log(
    `npm audit could not be asked, so nothing is known of weaknesses: ${report?.message ?? 'no answer'}`,
  )
}

for (const fault of faults) console.error(`package-lock.json: ${fault}`)
console.log(`${Object.keys(lock.packages).length - 1} locked packages, ${faults.length} faults`)
process.exit(faults.length === 0 ? 0 : 1)

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
