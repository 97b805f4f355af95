import { describeNeverCrossing } from './crossing/never-crossing.ts'

describeNeverCrossing({ leases: 500_000, killEveryMs: 200, rotateEveryMs: 300 })
