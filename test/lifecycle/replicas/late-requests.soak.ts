import { describeLateRequests } from './late-requests.ts'

describeLateRequests({ workers: 16, requests: 2_000 })
