import { describeRotationUnderLoad } from './rotate-under-load.ts'

describeRotationUnderLoad({ tenants: 3, workers: 6, lagMs: 150, hearMs: 400, pauseMs: 50 })
