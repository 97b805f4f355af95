import type { TestProject } from 'vitest/node'
import type { OwnPostgresServer } from '../postgres.ts'
import { startPostgres } from '../postgres.ts'
import type { PostgresAddress } from '../postgres-server.ts'
import { stopAbandoned, stopOwn } from '../started-processes.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres15: PostgresAddress
    postgres18: PostgresAddress
  }
}

const SETTINGS = { max_connections: '200', shared_buffers: '64MB' }

/** Starts one server of each supported end of the range for the whole run, and sees to it that nothing outlives the run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await stopAbandoned()
  stopWithUs()
  const [old, current] = await Promise.all([
    startPostgres({ version: 15, settings: SETTINGS }),
    startPostgres({ version: 18, settings: SETTINGS }),
  ])
  project.provide('postgres15', addressOf(old))
  project.provide('postgres18', addressOf(current))
  return async () => {
    await Promise.all([old.stop(), current.stop()])
    stopOwn()
  }
}

function addressOf({ version, host, port, superuser }: OwnPostgresServer): PostgresAddress {
  return { version, host, port, password: superuser.password }
}

/** However the run ends, short of a kill -9, which the next run makes good. */
function stopWithUs(): void {
  process.once('exit', stopOwn)
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(name, () => process.exit(code))
  }
}
