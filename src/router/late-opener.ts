import type { Sealer } from '../registry/sealing.ts'
import type { ResolvedRouterOptions } from './options.ts'
import { PasswordSource } from './password-source.ts'
import { type Connect, RouteOpener } from './route-opener.ts'
import type { Backends } from './tenant-router.ts'

/**
 * A `RouteOpener` for a registry that may not have answered yet: its id, which the sealed passwords are bound to, is
 * asked for with the first connection, when a record of it is there.
 */
export function lateOpener(
  sealer: Sealer,
  registry: { readonly id: string },
  options: ResolvedRouterOptions,
  passwords = new PasswordSource(),
  connect?: Connect,
): Backends {
  let made: RouteOpener | undefined
  const opener = () => (made ??= new RouteOpener(sealer, registry.id, options, connect, passwords))
  return {
    open: (record, server, terms) => opener().open(record, server, terms),
    confirmGone: (suspect, signal, gate) => opener().confirmGone(suspect, signal, gate),
  }
}
