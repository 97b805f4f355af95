import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** Long and large runs, for `npm run soak`: the same promises, with the numbers of the design. */
export default defineConfig({
  ...base,
  // Not by mergeConfig, which would add to `include` and run all other tests too.
  test: {
    ...base.test,
    include: ['test/**/*.soak.ts'],
    // On the disk: a thousand databases are too much for memory, and their figures are those of a disk.
    globalSetup: ['test/support/shared-postgres/global-setup.ts'],
    maxWorkers: 1,
    isolate: true,
    testTimeout: 1_800_000,
    hookTimeout: 600_000,
  },
})
