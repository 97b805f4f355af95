import { describeBlackHole } from './black-hole.ts'

describeBlackHole({ leases: 20, batch: 20 })
