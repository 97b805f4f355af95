import { PROVISION_STEPS } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { describeReadOnly } from './read-only.ts'

describeReadOnly(PROVISION_STEPS.map(({ name }) => name))
