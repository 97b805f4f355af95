import { describeDeleteUnderLoad } from './delete-under-load.ts'

describeDeleteUnderLoad({ workers: 64, requests: 20_000 })
