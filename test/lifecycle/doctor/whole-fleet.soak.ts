import { describeWholeFleet } from './whole-fleet.ts'

describeWholeFleet(15)
describeWholeFleet(18)
