import { createMiddleware } from 'hono/factory'
import { ForbiddenError, UnauthorizedError } from '../../errors.ts'
import type { KeyVerifier } from '../../resolve/key-verifier.ts'
import { type OperatorRole, reaches } from '../admin/access.ts'
import type { OperatorEnv } from '../request-context.ts'
import { singleHeader } from '../single-header.ts'

/** Lets operator keys of at least this role pass. Keys of tenants and services are no credentials here. */
export const requiredRole = (keys: KeyVerifier, role: OperatorRole) =>
  createMiddleware<OperatorEnv>(async (c, next) => {
    const key = await keys.verify(singleHeader(c.req, 'authorization'), c.get('signal'))
    if (key.scope.kind !== 'operator')
      throw new UnauthorizedError(`${key.scope.kind} key ${key.id} on the operator plane`)
    if (!reaches(key.scope.role, role))
      throw new ForbiddenError(`key ${key.id} is ${key.scope.role}, ${role} is needed`)
    c.set('actor', `key:${key.id}`)
    c.set('role', key.scope.role)
    await next()
  })
