import { FAULTS } from './ledger/faults.ts'
import { describeLedger } from './ledger/ledger.ts'

const NAMES = [...FAULTS.keys()]
const ROUNDS = 300

const any = () => NAMES[Math.floor(Math.random() * NAMES.length)] ?? 'reset'

describeLedger({
  faults: Array.from({ length: ROUNDS }, any),
  warmUp: NAMES,
  healing: { p95Ms: 2_000, longestMs: 5_000 },
  graceMs: 1_000,
  slackBytes: 4_000_000,
})
