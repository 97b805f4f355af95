import { userInfo } from 'node:os'

/** Who runs the command line, for the audit; `uid:N` where the machine has no name for him, as in most containers. */
export function actorName(lookUp: () => { readonly username: string } = userInfo): string {
  try {
    return lookUp().username
  } catch {
    return `uid:${process.getuid?.() ?? 'unknown'}`
  }
}
