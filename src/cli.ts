#!/usr/bin/env node
import { text } from 'node:stream/consumers'
import { runCommandLine } from './cli/program.ts'
import { processVariables } from './config.ts'

const code = await runCommandLine(
  {
    variables: processVariables,
    print: (line) => console.log(line),
    note: (line) => console.error(line),
    readInput: () => text(process.stdin),
  },
  process.argv.slice(2),
)
if (code !== 0) process.exitCode = code
