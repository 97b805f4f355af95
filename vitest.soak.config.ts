import { mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** Long and large runs, for `npm run soak`: the same promises, with the numbers of the design. */
export default mergeConfig(base, {
  test: { include: ['test/**/*.soak.ts'], maxWorkers: 1, testTimeout: 1_800_000, hookTimeout: 600_000 },
})
