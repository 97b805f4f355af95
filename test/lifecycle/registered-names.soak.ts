import { describeRegisteredNames } from './registered-names.ts'

describeRegisteredNames(200)
