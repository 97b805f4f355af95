import type postgres from 'postgres'

/** postgres.js's own types of a handle, and of the parts that transactions and reservations have. */
export type Sql = postgres.Sql
export type ISql = postgres.ISql
/** The handle that the body of a transaction is given. */
export type TransactionSql = postgres.TransactionSql
/** A handle on one connection, until its `release()`. */
export type ReservedSql = postgres.ReservedSql
