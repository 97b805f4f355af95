import { describeRotationUnderLoad } from './rotate-under-load.ts'

/** A change is heard of within two seconds. */
describeRotationUnderLoad({ tenants: 50, workers: 32, lagMs: 1_900, hearMs: undefined, pauseMs: 50 })
