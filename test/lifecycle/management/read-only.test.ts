import { describeReadOnly } from './read-only.ts'

describeReadOnly(['database', 'schema'])
