import { describe } from 'vitest'
import { describeClosingServer } from './faults/closing-server.ts'
import { describeFloodingTenant } from './faults/flooding-tenant.ts'
import { describeNeighbours } from './faults/neighbours.ts'
import { describeRefusingServer } from './faults/refusing-server.ts'
import { describeSlowServer } from './faults/slow-server.ts'

describe('a server that nothing listens for', () => {
  describeRefusingServer({ seconds: 60 })
})

describe('a server that takes connections and ends them', () => {
  describeClosingServer({ seconds: 60 })
})

describe('a tenant that floods its server', () => {
  describeFloodingTenant({ ms: 30_000 })
})

describeSlowServer({ ms: 20_000 })
describeNeighbours({ ms: 20_000 })
