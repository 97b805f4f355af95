import { FAULTS } from './ledger/faults.ts'
import { describeLedger } from './ledger/ledger.ts'

// The bounds are wider than in the long form: other tests run beside.
describeLedger([...FAULTS.keys()], { servedAgainMs: 15_000, graceMs: 5_000 })
