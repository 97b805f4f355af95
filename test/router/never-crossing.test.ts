import { describeNeverCrossing } from './crossing/never-crossing.ts'

describeNeverCrossing({ leases: 20_000, killEveryMs: 200, rotateEveryMs: 300 })
