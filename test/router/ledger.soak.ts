import { FAULTS } from './ledger/faults.ts'
import { describeLedger } from './ledger/ledger.ts'

const NAMES = [...FAULTS.keys()]
const ROUNDS = 300

const any = () => NAMES[Math.floor(Math.random() * NAMES.length)] ?? 'reset'

describeLedger(Array.from({ length: ROUNDS }, any), { servedAgainMs: 5_000, graceMs: 1_000 })
