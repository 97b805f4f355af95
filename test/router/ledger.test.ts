import { FAULTS } from './ledger/faults.ts'
import { describeLedger } from './ledger/ledger.ts'

describeLedger({
  faults: [...FAULTS.keys()],
  warmUp: [],
  // Wider than in the long form: other tests run beside, and each fault comes once.
  healing: { p95Ms: 5_000, longestMs: 15_000 },
  graceMs: 1_000,
  // Nothing warmed up: what is loaded once is in it.
  slackBytes: 16_000_000,
})
