import type postgres from 'postgres'

/** postgres.js's own types of a handle, and of the parts that transactions and reservations have. */
export type Sql = postgres.Sql
export type ISql = postgres.ISql
export type TransactionSql = postgres.TransactionSql
export type ReservedSql = postgres.ReservedSql
