import { openConnection } from '../../src/connection/open.ts'
import { describeConnection } from './conformance.ts'

describeConnection('postgres.js', openConnection)
