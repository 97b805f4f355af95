import { describeRegistry } from './conformance.ts'
import { newManagementDatabase } from './management-database.ts'

describeRegistry('postgres', newManagementDatabase)
