import type { Command } from 'commander'
import { showOperation } from '../../lifecycle/operation/list-operations.ts'
import type { OperationView } from '../../lifecycle/operation/operation-view.ts'
import { answer, type CommandLine, registryOptions } from '../command-line.ts'
import { withParts } from '../with-parts.ts'

export function addOperationShow(parent: Command, cli: CommandLine): void {
  registryOptions(parent.command('show <id>'))
    .description('how far an operation is, and what it failed of')
    .addHelpText('after', '\nExample:\n  tenantry operation show 0b6f1c1e-6d4e-4b0a-9b0e-2f7c1c9f4f0a')
    .action(async (id: string, _options: unknown, command: Command) => {
      const operation = await withParts(cli, command, (parts) => showOperation(parts.registry, id))
      answer(cli, command, operation, operationLines(operation))
    })
}

export function operationLines(operation: OperationView): string[] {
  const { id, kind, tenant, from, to, state, stepsDone, progress, error, actor } = operation
  const route = [from && `from ${from}`, to && `to ${to}`].filter(Boolean).join(' ')
  return [
    `${kind}${tenant === null ? '' : ` of tenant ${tenant}`}${route && `, ${route}`}: ${state}`,
    `operation ${id}, begun by ${actor} at ${operation.startedAt}, last changed at ${operation.updatedAt}`,
    `steps done: ${stepsDone.join(', ') || 'none'}`,
    ...(progress === null ? [] : [`${progress.done} of ${progress.total}`]),
    ...(error === null ? [] : [`error: ${error}`]),
    ...(state === 'failed' || state === 'abandoned'
      ? [`go on with it: tenantry operation resume ${id}`]
      : []),
  ]
}
