import type { Command } from 'commander'
import { z } from 'zod'
import { ListTrail } from '../../lifecycle/audit/list-trail.ts'

export const FilterOptions = z.object({
  tenant: ListTrail.shape.tenant,
  action: ListTrail.shape.action,
  actor: ListTrail.shape.actor,
  since: ListTrail.shape.since,
  limit: z.coerce.number().pipe(ListTrail.shape.limit.unwrap()),
})

export function filterOptions(command: Command, limit: string): Command {
  return command
    .option('--tenant <id>', 'only what is about this tenant')
    .option('--action <action>', '`tenant.suspend`, or `tenant` for all of `tenant.…`')
    .option('--actor <actor>', 'only what was done by this key, login or part of the service')
    .option('--since <time>', 'only of that time or later, as 2026-01-31T12:00:00Z')
    .option('--limit <n>', 'at most so many', limit)
}
