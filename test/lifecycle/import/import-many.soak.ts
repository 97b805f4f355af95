import { describeImport } from './import-many.ts'

describeImport(1000, 8)
