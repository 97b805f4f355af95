import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** What users import, and the source behind it; tsconfig.json has the same. */
const ENTRIES = {
  tenantry: './src/index.ts',
  'tenantry/hono': './src/http/hono.ts',
  'tenantry/pg': './src/pg/tenant-pool.ts',
  'tenantry/redis': './src/scope/over-redis.ts',
  'tenantry/testing': './src/testing/test-tenancy.ts',
}

export default defineConfig({
  // The examples name the package as its users do; here it is the source, once.
  resolve: {
    alias: Object.entries(ENTRIES).map(([name, path]) => ({
      find: new RegExp(`^${name}$`),
      replacement: fileURLToPath(new URL(path, import.meta.url)),
    })),
  },
  test: {
    // Of the other examples test/examples takes care.
    include: ['test/**/*.test.ts', 'examples/{projects-api,before-after/after}/*.test.ts'],
    globalSetup: ['test/support/run-folder.ts', 'test/support/shared-postgres/global-setup.ts'],
    // Processes, not threads: a test may block its process without taking the others along.
    pool: 'forks',
    // A process runs many files, one after the other: to load the program anew for each took a fifth of the run. What
    // is kept in a module is therefore seen by later files, and a test that changes its process puts it back.
    isolate: false,
    maxWorkers: Math.max(2, availableParallelism()),
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    expect: { requireAssertions: true },
    allowOnly: false,
  },
})
