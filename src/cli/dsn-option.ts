import type { Command } from 'commander'
import { z } from 'zod'
import { InvalidRequestError } from '../errors.ts'
import type { CommandLine } from './command-line.ts'
import { readTextFile, warnOfPassword } from './settings.ts'

export function dsnOptions(command: Command): Command {
  return command
    .option('--dsn <url>', 'postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…')
    .option('--dsn-file <path>', 'a file that holds it; - is standard input')
}

const Options = z.object({ dsn: z.string().optional(), dsnFile: z.string().optional() })

/** @throws {InvalidRequestError} unless exactly one of the two is given. */
export async function readDsn(cli: CommandLine, command: Command): Promise<string> {
  const { dsn, dsnFile } = Options.parse(command.opts())
  if ((dsn === undefined) === (dsnFile === undefined)) {
    throw new InvalidRequestError('give either --dsn URL or --dsn-file PATH (- for standard input)')
  }
  if (dsn !== undefined) {
    warnOfPassword(cli, '--dsn', dsn)
    return dsn
  }
  return (dsnFile === '-' ? await cli.readInput() : readTextFile(dsnFile ?? '')).trim()
}
