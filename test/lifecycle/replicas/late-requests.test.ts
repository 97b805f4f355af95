import { describeLateRequests } from './late-requests.ts'

describeLateRequests({ workers: 2, requests: 10 })
