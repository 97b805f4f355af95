import { describe, expect, it } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { ConnectionLostError, OutcomeUnknownError } from '../../src/errors.ts'
import type { PortUnderTest } from './port-under-test.ts'

const KILLS = 20

export function describeDeaths(port: PortUnderTest): void {
  describe('random kills', () => {
    it(`fail one operation each: ${KILLS} under load, and nothing hangs`, async () => {
      await port.run('create table journal (worker int, n int)')
      const live = new Map<number, Connection>()
      const failures: unknown[] = []
      let isOver = false
      const worker = async (id: number) => {
        let connection = await port.open()
        live.set(connection.pid, connection)
        for (let n = 0; !isOver; n++) {
          const error = await useOnce(connection, id, n)
          if (error === undefined) continue
          failures.push(error)
          await connection.closed
          connection = await port.open()
          live.set(connection.pid, connection)
        }
        // One that was killed after its last operation fails now.
        const error = await useOnce(connection, id, -1)
        if (error !== undefined) failures.push(error)
      }
      const working = Promise.all([1, 2, 3, 4].map(worker))
      for (let kills = 0; kills < KILLS; ) {
        const pids = [...live.keys()]
        const pid = pids[Math.floor(Math.random() * pids.length)]
        if (pid === undefined) await new Promise((resolve) => setImmediate(resolve))
        else {
          live.delete(pid)
          await port.ground.terminate(pid)
          kills++
        }
      }
      isOver = true
      await working
      expect(failures).toHaveLength(KILLS)
      const isKnown = (error: unknown) =>
        error instanceof OutcomeUnknownError || error instanceof ConnectionLostError
      expect(failures.filter((error) => !isKnown(error))).toEqual([])
    })
  })
}

/** Ordinary statements, a transaction, a failing one. Resolves the error that ended the connection. */
async function useOnce(connection: Connection, worker: number, n: number): Promise<unknown> {
  try {
    const params = [worker, n]
    if (n % 3 === 0) await connection.run({ text: 'begin' })
    await connection.run({ text: 'insert into journal values ($1, $2)', params })
    if (n % 3 === 0) await connection.run({ text: 'commit' })
    const { rows } = await connection.run({ text: 'select $1::int as worker, $2::int as n', params })
    expect(rows).toEqual([{ worker, n }])
    return undefined
  } catch (error) {
    return error
  }
}
