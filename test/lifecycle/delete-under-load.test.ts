import { describeDeleteUnderLoad } from './delete-under-load.ts'

describeDeleteUnderLoad({ workers: 16, requests: 60 })
