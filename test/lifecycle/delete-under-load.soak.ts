import { describeDeleteUnderLoad } from './delete-under-load.ts'

describeDeleteUnderLoad({ workers: 64, requests: 2_000 })
