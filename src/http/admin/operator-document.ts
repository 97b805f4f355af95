import { type Document, documentOf } from '../openapi/document.ts'
import { type Access, OPERATOR_ROUTES, type OperatorRoute } from './access.ts'
import { showsRecord, takesIfMatch } from './if-match.ts'
import { OPERATOR_DOCS } from './operator-docs.ts'

/** OpenAPI of the operator plane, from the table of its routes and what is said of each. */
export function operatorDocument(metricsAccess: Extract<Access, 'open' | 'viewer'>): Document {
  const access: Record<OperatorRoute, Access> = { ...OPERATOR_ROUTES, 'GET /metrics': metricsAccess }
  return documentOf({
    title: 'Tenantry, operator plane',
    description: 'For whoever runs the service: tenants, servers, keys, operations. Every change is audited.',
    version: '1',
    scheme: {
      name: 'operatorKey',
      description: 'An operator key, tk_<id>_<secret>, of the role that is named or a higher one.',
    },
    routes: Object.entries(OPERATOR_DOCS).map(([route, doc]) => {
      const [method = '', path = ''] = route.split(' ')
      const wanted = access[route as OperatorRoute] // the keys of the docs are routes, which `entries` forgets
      return {
        ...doc,
        method,
        path,
        access: wanted === 'open' ? wanted : [wanted],
        takesIfMatch: takesIfMatch(method, path),
        showsRecord: showsRecord(method, path),
      }
    }),
  })
}
