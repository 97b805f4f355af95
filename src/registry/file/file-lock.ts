import { lock } from 'proper-lockfile'
import { RegistryUnavailableError } from '../../errors.ts'

/** A lock not renewed for so long was left by a process that ended. */
const STALE_MS = 3_000

/**
 * Runs `work` while no other process (and no one else in this one) does so for the same path.
 * @param work is given a check that throws once the lock was lost, as after a long sleep of the machine;
 * it must be called right before anything that cannot be taken back.
 * @throws {RegistryUnavailableError} when the lock cannot be had within ten seconds.
 */
export async function withFileLock<T>(
  path: string,
  work: (refuseLost: () => void) => Promise<T>,
): Promise<T> {
  let lost: Error | undefined
  const release = await acquire(path, (error) => {
    lost = error
  })
  try {
    return await work(() => {
      if (lost !== undefined) throw new RegistryUnavailableError(`lost the lock of ${path}`, { cause: lost })
    })
  } finally {
    // Of a lost lock nothing is left to release.
    await release().catch(() => {})
  }
}

async function acquire(path: string, onCompromised: (error: Error) => void): Promise<() => Promise<void>> {
  try {
    return await lock(path, {
      realpath: false, // the file need not exist yet
      stale: STALE_MS,
      update: 1_000,
      onCompromised,
      retries: {
        retries: 200,
        factor: 1.2,
        minTimeout: 5,
        maxTimeout: 60,
        randomize: true,
        maxRetryTime: 10_000,
      },
    })
  } catch (cause) {
    throw new RegistryUnavailableError(`cannot lock ${path}`, { cause })
  }
}
