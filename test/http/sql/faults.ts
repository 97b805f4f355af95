import type { Hop } from './sql-ground.ts'

/** Something that a service could do wrong. */
export interface Fault {
  readonly what: string
  /** A case that notices, by its name. */
  readonly caughtBy: string
  readonly hop: Hop
}

interface Query {
  readonly query: string
  readonly params?: unknown[]
}
/** As far as the faults read them. */
interface Body extends Partial<Query> {
  readonly queries?: readonly Query[]
}
interface Result {
  fields: unknown[]
  rows: (unknown[] | Record<string, unknown>)[]
  command: string
  rowCount: number | null
}

// Parse boundaries: the client writes its body as JSON text, and the service its results.
const textOf = ({ body }: RequestInit) => (typeof body === 'string' ? body : '')
const bodyOf = (init: RequestInit) => JSON.parse(textOf(init)) as Body
const resultOf = async (response: Response) => (await response.json()) as Result

const answer = (body: unknown, { status, headers }: Response) =>
  new Response(JSON.stringify(body), {
    status,
    headers: new Headers([...headers].filter(([name]) => name !== 'content-length')),
  })

/** Of a single query, a result that has been changed. */
const changed =
  (change: (result: Result) => void): Hop =>
  async (url, init) => {
    const response = await fetch(url, init)
    if (response.status !== 200 || bodyOf(init).queries) return response
    const result = await resultOf(response)
    change(result)
    return answer(result, response)
  }

const withHeaders =
  (change: (headers: Headers) => void): Hop =>
  (url, init) => {
    const headers = new Headers(init.headers)
    change(headers)
    return fetch(url, { ...init, headers })
  }

/** The queries of a batch as requests of their own. */
const oneByOne: Hop = async (url, init) => {
  const { queries } = bodyOf(init)
  if (!queries) return fetch(url, init)
  const results: Result[] = []
  for (const query of queries) {
    const response = await fetch(url, { ...init, body: JSON.stringify(query) })
    if (response.status !== 200) return response
    results.push(await resultOf(response))
  }
  return Response.json({ results })
}

const EMPTY = { fields: [], rows: [], command: 'INSERT', rowCount: 1, rowAsArray: true }

/** All 16 that a run of the cases must notice. */
export const FAULTS: readonly Fault[] = [
  {
    what: 'no transaction',
    caughtBy: 'a batch is one transaction, and its results are in order',
    hop: oneByOne,
  },
  {
    what: 'an ignored isolation level',
    caughtBy: 'a batch runs at Serializable, and says so',
    hop: withHeaders((headers) => headers.delete('neon-batch-isolation-level')),
  },
  {
    what: 'an ignored read-only',
    caughtBy: 'a batch that only reads cannot write',
    hop: withHeaders((headers) => headers.delete('neon-batch-read-only')),
  },
  {
    what: 'a swallowed error at COMMIT',
    caughtBy: 'a constraint that fails at COMMIT is the answer, and nothing stays',
    async hop(url, init) {
      const response = await fetch(url, init)
      const { queries } = bodyOf(init)
      return queries && response.status === 400
        ? Response.json({ results: queries.map(() => EMPTY) })
        : response
    },
  },
  {
    what: 'no cancel',
    caughtBy: 'a client that leaves has its statement ended on the server, and undone',
    hop: (url, init) => {
      const { signal, ...deaf } = init
      const left = new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
      })
      return Promise.race([fetch(url, deaf), left])
    },
  },
  {
    what: 'status 500 for an error of SQL',
    caughtBy: 'select 1/0 fails with every field that Postgres gives',
    async hop(url, init) {
      const response = await fetch(url, init)
      return response.status === 400 ? new Response(await response.text(), { status: 500 }) : response
    },
  },
  {
    what: 'the simple protocol',
    caughtBy: 'select 1; select 2 fails with every field that Postgres gives',
    hop: (url, init) => {
      const { query = '' } = bodyOf(init)
      const last = query.split(';').at(-1) ?? ''
      return fetch(url, query.includes(';') ? { ...init, body: JSON.stringify({ query: last }) } : init)
    },
  },
  {
    what: 'a wrong count of rows',
    caughtBy: '"set application_name = here" answers SET and null',
    hop: changed((result) => {
      result.rowCount ??= 0
    }),
  },
  {
    what: 'a wrong tag',
    caughtBy: '"create temporary table made (id int)" answers CREATE and null',
    hop: changed((result) => {
      if (result.command === 'CREATE') result.command = 'CREATE TABLE'
    }),
  },
  {
    what: 'an error without its constraint',
    caughtBy: "insert into goods values ('c1', -1) fails with every field that Postgres gives",
    async hop(url, init) {
      const response = await fetch(url, init)
      if (response.status !== 400) return response
      return answer({ ...((await response.json()) as object), constraint: null }, response)
    },
  },
  {
    what: 'an empty text as null',
    caughtBy: 'an empty text is not null',
    hop: changed((result) => {
      result.rows = result.rows.map((row) => Object.values(row).map((value) => value || null))
    }),
  },
  {
    what: 'a demand for a content type',
    caughtBy: 'a body of the type application/sql is read alike',
    async hop(url, init) {
      const type = new Headers(init.headers).get('content-type') ?? ''
      return type.includes('sql') ? new Response('{}', { status: 415 }) : fetch(url, init)
    },
  },
  {
    what: 'rows as objects',
    caughtBy: 'raw rows are arrays of text or null, and nothing else',
    hop: withHeaders((headers) => headers.delete('neon-array-mode')),
  },
  {
    what: 'a body read as latin1',
    caughtBy: 'letters beyond ASCII come as they went, in both directions',
    hop: (url, init) => fetch(url, { ...init, body: Buffer.from(textOf(init)).toString('latin1') }),
  },
  {
    what: 'a password that is not decoded',
    caughtBy:
      'a password may be percent-encoded throughout, and parameters of the connection string have no effect',
    hop: withHeaders((headers) => {
      const given = headers.get('neon-connection-string') ?? ''
      headers.set('neon-connection-string', given.replaceAll(/%(?=[0-9a-f]{2})/gi, '%25'))
    }),
  },
  {
    what: 'a result that is cut off',
    caughtBy: 'a thousand rows come whole and in order',
    hop: changed((result) => {
      result.rows = result.rows.slice(0, 500)
    }),
  },
]
