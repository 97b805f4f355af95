import { join } from 'node:path'
import type { BenchTenant } from '../ground/tenants.ts'
import { runProgram } from '../process/run-program.ts'
import type { Figures, Side, Stage } from '../scenario.ts'
import type { Contestant, RunningContestant } from './contestant.ts'
import { type Group, LoadReport } from './load-job.ts'

const MAIN = new URL('./main.ts', import.meta.url)

/** A group of the load before it is known whom it asks. */
export interface LoadShape extends Omit<Group, 'tenants' | 'thinkMs'> {
  readonly tenants: readonly BenchTenant[]
  readonly thinkMs?: number
}

/** Measures a contestant over HTTP: started afresh, warmed up, asked by a process of its own. */
export function overHttp(
  stage: Stage,
  contestant: Contestant,
  shapes: readonly LoadShape[],
  figures: (report: LoadReport) => Figures,
): Side {
  return {
    name: contestant.name,
    description: contestant.description,
    run: async (seed) => {
      await using running = await contestant.start()
      return figures(await drive(stage, contestant, running, shapes, seed))
    },
  }
}

/** One load on a contestant that runs. */
export async function drive(
  stage: Stage,
  contestant: Pick<Contestant, 'keyOf'>,
  running: Pick<RunningContestant, 'url' | 'pids' | 'delayPids'>,
  shapes: readonly LoadShape[],
  seed: number,
): Promise<LoadReport> {
  const { ground, seconds, warmupSeconds, delayPids } = stage
  const groups = shapes.map((shape) => ({
    ...shape,
    tenants: shape.tenants.map(({ id, place }) => ({
      id,
      key: contestant.keyOf(id),
      database: place.database,
    })),
  }))
  const pids = {
    contestant: running.pids,
    postgres: ground.pid,
    delay: [...delayPids, ...(running.delayPids ?? [])],
  }
  const terms = { url: running.url, warmupSeconds, seconds, seed, adminDsn: ground.adminDsn(), pids }
  return LoadReport.parse(await runProgram(MAIN, { ...terms, groups }, join(stage.folder, 'load.json')))
}
