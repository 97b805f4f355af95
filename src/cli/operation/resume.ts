import type { Command } from 'commander'
import { showOperation } from '../../lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../lifecycle/operation/resume-operation.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'
import { operationLines } from './show.ts'

export function addOperationResume(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('resume <id>'))
    .description('go on with an operation that failed, or whose process is gone')
    .addHelpText('after', '\nExample:\n  tenantry operation resume 0b6f1c1e-6d4e-4b0a-9b0e-2f7c1c9f4f0a')
    .action(async (id: string, _options: unknown, command: Command) => {
      const operation = await withParts(cli, command, async (parts, actor) => {
        const { result } = await resumeOperation(parts, id, actor)
        await result
        return showOperation(parts.registry, id)
      })
      answer(cli, command, operation, operationLines(operation))
    })
}
