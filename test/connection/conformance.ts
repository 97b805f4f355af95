import { afterAll, beforeAll, describe } from 'vitest'
import type { Connect } from '../../src/router/route-opener.ts'
import { describeDeaths } from './conformance-deaths.ts'
import { describeEndings } from './conformance-endings.ts'
import { describePlans } from './conformance-plans.ts'
import { describeStatements } from './conformance-statements.ts'
import { describeTypes } from './conformance-types.ts'
import { PortUnderTest } from './port-under-test.ts'

/** What everything above the port rests on, asked of each driver in the same words. */
export function describeConnection(driver: string, connect: Connect): void {
  describe(`a connection over ${driver}`, () => {
    const port = new PortUnderTest(connect)
    beforeAll(() => port.start())
    afterAll(() => port[Symbol.asyncDispose]())

    describeStatements(port)
    describeTypes(port)
    describePlans(port)
    describeEndings(port)
    describeDeaths(port)
  })
}
