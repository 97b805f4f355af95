import { readFile } from 'node:fs/promises'
import { ARRAY_OF } from '../../connection/builtin-arrays.ts'
import {
  Builder,
  Identifier,
  Parameter,
  type QueryInternals,
  type QueryOptions,
} from '../../connection/driver.ts'
import { DriverQuery } from '../../connection/driver-query.ts'
import type { ISql } from '../../connection/sql.ts'
import type { StatementRunner } from './statement-runner.ts'

/**
 * What handles and transactions have in common: the tag, its helpers, and statements by text. Everything is
 * lazy: `runner` sees a statement when it is awaited.
 */
export function createTag(runner: StatementRunner): ISql {
  const tag = (first: unknown, ...rest: unknown[]) => {
    if (isTemplate(first)) return new DriverQuery(first, rest, runner.run, runner.cancel)
    return typeof first === 'string' && rest.length === 0 ? new Identifier(first) : new Builder(first, rest)
  }

  const unsafe = (text: string, args?: unknown[] | QueryOptions, options?: QueryOptions) => {
    const call = textCall(args, options)
    return new DriverQuery([text], call.args, runner.run, runner.cancel, { prepare: false, ...call.options })
  }

  const file = (path: string, args?: unknown[] | QueryOptions, options?: QueryOptions) => {
    const call = textCall(args, options)
    const runFile = (query: QueryInternals) => void readThenRun(path, query, runner)
    return new DriverQuery([], call.args, runFile, runner.cancel, call.options)
  }

  const typed = (value: unknown, type: number) => new Parameter(value, type)
  const notify = async (channel: string, payload: string) =>
    await new DriverQuery(
      ['select pg_catalog.pg_notify($1, $2)'],
      [channel, `${payload}`],
      runner.run,
      runner.cancel,
    )
  const json = (value: unknown) => new Parameter(value, JSONB)

  // The driver's own type of these functions, which its own untyped code does not check either.
  return Object.assign(tag, { unsafe, file, typed, types: typed, notify, array, json }) as unknown as ISql
}

const [TEXT, JSONB] = [25, 3802]

function array(values: unknown, type?: number): object {
  if (!Array.isArray(values)) throw new TypeError('sql.array takes an array')
  return new Parameter(values, type ?? elementType(values), ARRAY_OF)
}

/** As postgres.js sees it: text, unless JavaScript says more. Of an empty array the server is asked. */
function elementType(values: readonly unknown[]): number {
  const [first] = values
  if (values.length === 0) return 0
  if (first instanceof Parameter) return first.type
  if (Array.isArray(first)) return elementType(first)
  if (first instanceof Date) return 1184
  if (first instanceof Uint8Array) return 17
  if (typeof first === 'boolean') return 16
  return typeof first === 'bigint' ? 20 : TEXT
}

function isTemplate(value: unknown): value is TemplateStringsArray {
  return Array.isArray(value) && 'raw' in value && Array.isArray(value.raw)
}

/** `(text, args?, options?)` and `(text, options)`; a text without arguments may hold several statements. */
function textCall(args: unknown[] | QueryOptions = [], options: QueryOptions = {}) {
  if (!Array.isArray(args)) return textCall([], args)
  return { args, options: { ...options, simple: options.simple ?? args.length === 0 } }
}

async function readThenRun(path: string, query: QueryInternals, runner: StatementRunner): Promise<void> {
  try {
    query.strings = [await readFile(path, 'utf8')]
  } catch (error) {
    query.reject(error)
    return
  }
  runner.run(query)
}
