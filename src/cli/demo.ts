import { relative } from 'node:path'
import type { Command } from 'commander'
import { effectiveLines, readServiceSettings, type ServiceSettings } from '../config.ts'
import type { Card } from '../demo/demo-files.ts'
import type { Service } from '../server.ts'
import type { CommandLine } from './command-line.ts'
import { untilStopped } from './until-stopped.ts'

const FOLDER = '.tenantry'

export function addDemo(parent: Command, cli: CommandLine): void {
  parent
    .command('demo')
    .description(
      `run everything here: a Postgres under ${FOLDER}/, three tenants, the service; Ctrl-C ends it`,
    )
    .addHelpText('after', '\nExample:\n  tenantry demo')
    .action(() => demo(cli))
}

async function demo(cli: CommandLine): Promise<void> {
  const stopped = untilStopped()
  const { DemoGround } = await import('../demo/demo-ground.ts')
  const { DemoFiles } = await import('../demo/demo-files.ts')
  const files = new DemoFiles(FOLDER)
  files.prepare()
  const given = settingsOf(cli, files)
  await using ground = await DemoGround.prepare(files, given)
  if (ground.remark !== undefined) cli.note(`note: ${ground.remark}`)
  const { service, settings } = await startOnFreePorts(given)
  await using _service = service
  const card = ground.card(service.url, service.opsUrl)
  files.writeCard(card)
  files.write(files.settings, settingsText(files, card))
  for (const line of [...effectiveLines(settings), ...invitation(files, card)]) cli.print(line)
  await stopped
  cli.note('stopping')
}

type Files = InstanceType<typeof import('../demo/demo-files.ts').DemoFiles>

/** The registry and the keys are the demo's own; everything else may be set. */
function settingsOf(cli: CommandLine, files: Files): ServiceSettings {
  const variables = {
    TENANTRY_LOG_LEVEL: 'warn',
    ...cli.variables,
    TENANTRY_REGISTRY_URL: `file:${files.registry}`,
    TENANTRY_REGISTRY_URL_FILE: undefined,
    TENANTRY_MASTER_KEY: undefined,
    TENANTRY_MASTER_KEY_FILE: files.masterKey,
    TENANTRY_ADMIN_KEY: undefined,
    TENANTRY_ADMIN_KEY_FILE: files.adminKey,
  }
  return readServiceSettings(variables, true)
}

const ATTEMPTS = 20

/** Takes the next free port where one that nobody set is in use; one that is set is used or fails. */
async function startOnFreePorts(
  given: ServiceSettings,
): Promise<{ service: Service; settings: ServiceSettings }> {
  const { startService } = await import('../server.ts')
  const { openLog } = await import('../telemetry/log.ts')
  const { choosePorts } = await import('../demo/choose-ports.ts')
  const log = openLog(given.logLevel, process.stderr)
  let settings = given
  for (let attempt = 1; ; attempt += 1) {
    settings = { ...settings, ...(await choosePorts(settings)) }
    try {
      return { service: await startService(settings, { log }), settings }
    } catch (error) {
      // Somebody took it between our look and our use.
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
      const mayMove = !given.given.has('TENANTRY_PORT') || !given.given.has('TENANTRY_OPS_PORT')
      if (!isTaken || !mayMove || attempt === ATTEMPTS) throw error
    }
  }
}

/** For the verbs of the command line: `--env-file .tenantry/demo.env`. */
function settingsText(files: Files, card: Card): string {
  return `TENANTRY_REGISTRY_URL="file:${files.registry}"
TENANTRY_MASTER_KEY_FILE="${files.masterKey}"
TENANTRY_ADMIN_KEY_FILE="${files.adminKey}"
TENANTRY_OPS_URL="${card.opsUrl}"
TENANTRY_OPERATOR_KEY="${card.operatorKey}"
`
}

const QUERY = `'{"sql": "select name from projects order by id"}'`

function invitation(files: Files, card: Card): string[] {
  const curl = (headers: readonly string[], url: string, data = '') =>
    ['curl -s', ...headers.map((header) => `-H '${header}'`), data && `-d ${data}`, url]
      .filter(Boolean)
      .join(' ')
  const json = 'content-type: application/json'
  const query = `${card.url}/v1/query`
  const tenants = Object.entries(card.tenants).map(([tenant, { key }]) => ({ tenant, key }))
  const verb = `node ${relative('.', process.argv[1] ?? 'dist/cli.js')}`
  const here = (path: string) => relative('.', path)
  return [
    '',
    ...tenants.flatMap(({ tenant, key }) => [
      `# rows of ${tenant}, with its own key`,
      curl([`authorization: Bearer ${key}`, json], query, QUERY),
    ]),
    '# the same for your own backend: one service key, the tenant in a header',
    curl([`authorization: Bearer ${card.serviceKey}`, 'x-tenant-id: globex', json], query, QUERY),
    '# which pools are open now',
    curl([`authorization: Bearer ${card.operatorKey}`], `${card.opsUrl}/v1/pools`),
    '# a fourth tenant, in another terminal',
    `${verb} tenant create umbrella --env-file ${here(files.settings)} --schema ${here(files.schema)}`,
    '',
    `Tenants at ${card.url}, operators at ${card.opsUrl}; keys are in ${here(files.card)}. Ctrl-C ends everything.`,
  ]
}
