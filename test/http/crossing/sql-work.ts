import { CrossingError, expectWhole } from '../../router/crossing/traces.ts'
import { neonHeaders } from '../neon-headers.ts'
import { ask, expectAnswer, intoLedger, LEDGER, NOTES, type RequestWork } from './request-work.ts'

/** As the client of `@neondatabase/serverless` asks. */
const RAW = { 'neon-raw-text-output': 'true', 'neon-array-mode': 'true' }
const sqlOf = (query: string, params: readonly unknown[] = []) => ({ path: '/sql', body: { query, params } })

export const sqlQuery: RequestWork = async (terms, tenant) => {
  const answer = await ask(terms, tenant, { ...sqlOf(NOTES), headers: RAW })
  expectAnswer(answer, 200)
  const rows: string[][] = JSON.parse(answer.text).rows
  expectWhole(
    tenant,
    rows.map(([id, own, body]) => ({ id: Number(id), tenant: own, body })),
  )
}

/** The same text for all tenants, and a number that no other request has. */
export const sqlNumbered: RequestWork = async (terms, tenant) => {
  const n = terms.tally.next()
  const answer = await ask(terms, tenant, sqlOf('select $1::int as n, min(tenant) as tenant from notes', [n]))
  expectAnswer(answer, 200)
  const { rows } = JSON.parse(answer.text)
  if (JSON.stringify(rows) !== JSON.stringify([{ n, tenant }]))
    throw new CrossingError(`${tenant} asked for ${n} and got ${answer.text}`)
}

export const sqlFailing: RequestWork = async (terms, tenant) => {
  const sql = 'select repeat(tenant, 50), 10 / (id - 20) from notes order by id'
  expectAnswer(await ask(terms, tenant, sqlOf(sql)), 400, '22012')
}

export const sqlBatch: RequestWork = (terms, tenant) =>
  intoLedger(terms, tenant, (n) => {
    const queries = [
      { query: LEDGER.write, params: [n] },
      { query: LEDGER.read, params: [n] },
    ]
    return { path: '/sql', body: { queries } }
  })

/** Its own key, in a connection string that names another tenant, or itself. */
export const sqlForeignName: RequestWork = async (terms, tenant) => {
  const other = terms.anyTenant()
  const headers = neonHeaders(terms.ground.keyOf(tenant), other)
  const answer = await ask(terms, tenant, { ...sqlOf(NOTES), headers }, 'tenant')
  if (other === tenant) expectAnswer(answer, 200)
  else expectAnswer(answer, 400, '28P01')
}
