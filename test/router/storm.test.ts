import { describeStorm } from './storm/storm.ts'

describeStorm(1)
