import { describeKills } from './adopt-kills.ts'

for (const version of [15, 18] as const) describeKills(version, () => true)
