import { z } from 'zod'

/**
 * A secret at rest: AES-256-GCM ciphertext under a data key that is itself wrapped by the master key `kid`.
 * All byte fields are base64url. Made and opened by `registry/sealing.ts`.
 */
export const Sealed = z.strictObject({
  v: z.literal(1),
  kid: z.string().min(1).max(64),
  wrappedKey: z.string(),
  iv: z.string(),
  ciphertext: z.string(),
  tag: z.string(),
})
export type Sealed = z.output<typeof Sealed>
