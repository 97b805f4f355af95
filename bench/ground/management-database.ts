import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Ground } from './ground.ts'

/** An empty database for a registry of ours, beside the tenants' and with a role of its own. @returns its DSN. */
export async function managementDatabase(ground: Ground): Promise<string> {
  const name = `registry_${randomBytes(6).toString('hex')}`
  const password = randomBytes(24).toString('hex')
  const admin = new pg.Client(ground.adminDsn())
  await admin.connect()
  try {
    await admin.query(`create role ${name} login password '${password}'`)
    await admin.query(`create database ${name} owner ${name}`)
  } finally {
    await admin.end()
  }
  const { host, port } = ground.address
  return `postgres://${name}:${password}@${host}:${port}/${name}?sslmode=disable`
}
