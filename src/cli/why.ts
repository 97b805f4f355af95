import type { Command } from 'commander'
import { z } from 'zod'
import { NotFoundError, ServerUnavailableError } from '../errors.ts'
import { explainWhy } from '../lifecycle/why/why.ts'
import { askService } from './ask-service.ts'
import { answer, type CommandLine, globalsOf, registryOptions } from './command-line.ts'
import { settingsFor } from './settings.ts'
import { withParts } from './with-parts.ts'

/** What is shown of it; there is more, for --json. */
const Answer = z.looseObject({ tenant: z.string().nullable(), answer: z.array(z.string()) })
type Answer = z.output<typeof Answer>

export function addWhy(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('why <id>'))
    .description('why a tenant is served, slow or refused just now; ID, host name, external id or key id')
    .addHelpText(
      'after',
      '\nExample:\n  tenantry why acme\nIt asks the service at TENANTRY_OPS_URL (TENANTRY_OPERATOR_KEY), and the registry alone where none is configured.',
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const why = await ask(cli, command, id)
      answer(cli, command, why, why.answer)
      if (why.tenant === null) throw new NotFoundError(`Nothing on record is called ${JSON.stringify(id)}.`)
    })
}

async function ask(cli: CommandLine, command: Command, id: string): Promise<Answer> {
  const { operatorKey, registryUrl } = settingsFor(cli, globalsOf(command))
  const ofRegistry = () =>
    withParts(cli, command, async ({ registry }) => Answer.parse(await explainWhy({ registry }, id)))
  if (operatorKey === undefined) {
    cli.note('No service was asked (TENANTRY_OPERATOR_KEY is not set): this is what the registry says.')
    return ofRegistry()
  }
  try {
    const path = `/v1/why/${encodeURIComponent(id)}`
    return Answer.parse(await askService(cli, command, path, { alsoAnswers: [404, 503] }))
  } catch (error) {
    if (!(error instanceof ServerUnavailableError) || registryUrl === undefined) throw error
    cli.note(`${error.message}: this is what the registry says.`)
    return ofRegistry()
  }
}
