import { describeNeighbours } from './faults/neighbours.ts'

describeNeighbours({ ms: 800 })
