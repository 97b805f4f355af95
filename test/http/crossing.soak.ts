import { describeCrossing } from './crossing/crossing.ts'

describeCrossing({ requests: 100_000, killEveryMs: 200, rotateEveryMs: 300 })
