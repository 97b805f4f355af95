import { describeImport } from './import-many.ts'

describeImport(40, 4)
