import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PartMissingError } from '../../src/errors.ts'

const execute = promisify(execFile)
const DAY_MS = 86_400_000

export interface CertificateOptions {
  /** Host names and addresses; the first is the common name too. Empty: a name of nothing. */
  readonly names: readonly string[]
  readonly expired?: boolean
  /** The common name, where it is not the first of `names`: for a client certificate, the role. */
  readonly commonName?: string
}

export interface Certificate {
  /** PEM. */
  readonly certificate: string
  readonly key: string
}

export interface Authority {
  readonly caPem: string
  issue(options: CertificateOptions): Promise<Certificate>
}

/** A certificate authority that nobody trusts until told to, with real X.509 certificates made by openssl. */
export async function makeAuthority(name = 'Tenantry test authority'): Promise<Authority> {
  const [caPem, caKey] = await inFolder(async (folder) => {
    await openssl(folder, [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-noenc',
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
    ])
    return readAll(folder, 'ca.pem', 'ca.key')
  })
  return { caPem, issue: (options) => issue(caPem, caKey, options) }
}

async function issue(caPem: string, caKey: string, options: CertificateOptions): Promise<Certificate> {
  return inFolder(async (folder) => {
    const now = Date.now()
    const [from, until] = options.expired
      ? [now - 20 * DAY_MS, now - DAY_MS]
      : [now - DAY_MS, now + 20 * DAY_MS]
    const files = {
      'ca.pem': caPem,
      'ca.key': caKey,
      'ca.cnf': configuration(options.names),
      index: '',
      serial: `${now.toString(16).padStart(16, '0')}\n`,
    }
    for (const [name, content] of Object.entries(files))
      await writeFile(join(folder, name), content, { mode: 0o600 })
    const subject = `/CN=${options.commonName ?? options.names[0] ?? 'nobody'}`
    await openssl(folder, [
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-noenc',
      '-subj',
      subject,
      '-keyout',
      'own.key',
      '-out',
      'own.csr',
    ])
    // `ca`, since the other ways of openssl 3.0 cannot set a date in the past.
    await openssl(folder, [
      'ca',
      '-batch',
      '-notext',
      '-config',
      'ca.cnf',
      '-startdate',
      utc(from),
      '-enddate',
      utc(until),
      '-in',
      'own.csr',
      '-out',
      'own.pem',
    ])
    const [certificate, key] = await readAll(folder, 'own.pem', 'own.key')
    return { certificate, key }
  })
}

function configuration(names: readonly string[]): string {
  const alternatives = names.map((name) => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`))
  return `
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
${alternatives.length > 0 ? `subjectAltName = ${alternatives.join(',')}` : ''}
`
}

/** As openssl wants it: YYYYMMDDHHMMSSZ. */
function utc(at: number): string {
  return `${new Date(at).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
}

async function openssl(cwd: string, args: string[]): Promise<void> {
  await execute('openssl', args, { cwd }).catch((cause: unknown) => {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause
    throw new PartMissingError('openssl is not installed; run as root: apt-get install -y openssl', { cause })
  })
}

async function readAll(folder: string, a: string, b: string): Promise<[string, string]> {
  return [await readFile(join(folder, a), 'utf8'), await readFile(join(folder, b), 'utf8')]
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-certificates-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
