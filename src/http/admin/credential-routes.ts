import type { Context } from 'hono'
import { z } from 'zod'
import { listCredentials, revokeCredential } from '../../lifecycle/credentials/credentials.ts'
import { IssueCredential, issueCredential } from '../../lifecycle/credentials/issue-credential.ts'
import type { LifecycleParts } from '../../lifecycle/parts.ts'
import { jsonBody } from '../json-body.ts'
import type { OperatorEnv } from '../request-context.ts'

const NoBody = z.strictObject({})

export const credentialList =
  (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/tenants/:id/credentials'>) =>
    c.json({ credentials: await listCredentials(parts.registry, c.req.param('id')) })

/** The one answer that holds its password; nothing keeps it. */
export const credentialIssue =
  (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/tenants/:id/credentials'>) => {
    const body = await jsonBody(c.req, IssueCredential)
    const { dsn, ...issued } = await issueCredential(parts, c.req.param('id'), body, c.var.actor)
    c.header('cache-control', 'no-store')
    return c.json({ ...issued, dsn: dsn.reveal() }, 201)
  }

export const credentialRevoke =
  (parts: LifecycleParts) => async (c: Context<OperatorEnv, '/v1/tenants/:id/credentials/:role'>) => {
    await jsonBody(c.req, NoBody)
    return c.json(await revokeCredential(parts, c.req.param('id'), c.req.param('role'), c.var.actor))
  }
