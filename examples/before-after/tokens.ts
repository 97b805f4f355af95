import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'

const { privateKey, publicKey } = await generateKeyPair('EdDSA')

/** What the app checks tokens by. */
export const keys: JWK[] = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'EdDSA' }]
export const trusted = { issuer: 'https://login.example.com', audience: 'notes' }

/** A token as the identity provider makes it: of a user in an organisation. */
export function tokenOf(org: string): Promise<string> {
  return new SignJWT({ org })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'one' })
    .setIssuer(trusted.issuer)
    .setAudience(trusted.audience)
    .setSubject('somebody')
    .setExpirationTime('1h')
    .sign(privateKey)
}
