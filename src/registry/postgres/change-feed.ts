import type { Connection } from '../../connection/connection.ts'
import { RegistryUnavailableError } from '../../errors.ts'
import { batchAfter, parsePosition } from '../change-log.ts'
import { FeedRetry } from '../feed-retry.ts'
import type { Change, ChangeBatch } from '../registry.ts'
import { Wakeup } from '../wakeup.ts'
import { within } from '../within.ts'

export interface ChangeFeedOptions {
  /** Opens a connection that tells of notifications. The feed destroys it; `signal` may end it as well. */
  readonly open: (onNotification: () => void) => Promise<Connection>
  /** Milliseconds between looks at the log, beside the notifications. */
  readonly pollMs: number
  /** Milliseconds that each look may take. */
  readonly timeoutMs: number
  readonly onFault: (fault: Error) => void
}

/**
 * Reads the change log over one connection that also listens for notifications: each look proves that it
 * still lives, and a lost one is opened again. Ends when `signal` aborts, and the connection with it.
 */
export async function* followChanges(
  position: string | undefined,
  signal: AbortSignal,
  { open, pollMs, timeoutMs, onFault }: ChangeFeedOptions,
): AsyncGenerator<ChangeBatch> {
  const wakeup = new Wakeup()
  let at = parsePosition(position)
  let connection: Connection | undefined
  const retry = new FeedRetry(onFault)
  try {
    while (!signal.aborted) {
      let batch: ChangeBatch | undefined
      try {
        connection ??= await listen(
          open(() => wakeup.notify()),
          timeoutMs,
        )
        batch = batchAfter(await within(readLog(connection, at), timeoutMs, unanswered), at)
        retry.answered()
      } catch (error) {
        connection?.destroy(new Error('the change feed starts again'))
        connection = undefined
        await retry.failed(error, wakeup, signal)
      }
      if (batch !== undefined) {
        at = Number(batch.position)
        yield batch
        await wakeup.wait(pollMs, signal)
      }
    }
  } finally {
    connection?.destroy(new Error('the change feed ends'))
  }
}

async function listen(opening: Promise<Connection>, timeoutMs: number): Promise<Connection> {
  const connection = await opening
  try {
    // Before the log is read: what commits in between is in the log, what commits afterwards is told.
    await within(connection.run({ text: 'listen tenantry_registry' }), timeoutMs, unanswered)
    return connection
  } catch (error) {
    connection.destroy(new Error('cannot listen'))
    throw error
  }
}

async function readLog(connection: Connection, after: number | undefined) {
  const { rows } = await connection.run({
    text: `select r.revision::text, c.revision::text as changed, c.kind, c.id
      from tenantry_registry.registry r
      left join tenantry_registry.change c on c.revision > $1::text::bigint
      order by c.revision`,
    // Without a position no change matters, only where the log is now.
    params: [String(after ?? Number.MAX_SAFE_INTEGER)],
  })
  // The columns of the statement above; those of the log are null where there is nothing after.
  const read = rows as unknown as {
    revision: string
    changed: string | null
    kind: Change['kind']
    id: string
  }[]
  const changes = read
    .filter(({ changed }) => changed !== null)
    .map(({ changed, kind, id }): Change => ({ revision: Number(changed), kind, id }))
  if (read[0] === undefined) {
    throw new RegistryUnavailableError("the registry's own row is not in the management database any more")
  }
  return { revision: Number(read[0].revision), changes }
}

function unanswered(): RegistryUnavailableError {
  return new RegistryUnavailableError('the change feed has no answer from the management database')
}
