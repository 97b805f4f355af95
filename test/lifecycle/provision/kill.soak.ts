import { describeKills } from './kill.ts'

describeKills(15, 'everything')
describeKills(18, 'everything')
