import { describeKills } from './kill.ts'

describeKills(18, 'tenants')
