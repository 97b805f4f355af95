import { describeBlackHole } from './black-hole.ts'

describeBlackHole({ leases: 1_000, batch: 50 })
