import { bigint, pgTable, text } from 'drizzle-orm/pg-core'

export const notes = pgTable('notes', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  body: text('body').notNull(),
})

export const SCHEMA = `create table notes (id bigint generated always as identity primary key, body text not null)`
