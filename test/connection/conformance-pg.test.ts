import { openPgConnection } from '../support/pg-login.ts'
import { describeConnection } from './conformance.ts'

describeConnection('pg', openPgConnection)
