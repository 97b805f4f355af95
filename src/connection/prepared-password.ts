/**
 * A password as Postgres hashes it for SCRAM: prepared by SASLprep (RFC 4013), or as it is where that refuses it.
 */
export async function preparedPassword(password: string): Promise<string> {
  // Nearly all are ASCII, and those need no tables.
  if (Buffer.byteLength(password) === password.length) return password
  const { saslprep } = await import('@mongodb-js/saslprep')
  try {
    return saslprep(password)
  } catch {
    return password
  }
}
