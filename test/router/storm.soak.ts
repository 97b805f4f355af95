import { describeStorm } from './storm/storm.ts'

describeStorm(50)
