#!/usr/bin/env node
import { text } from 'node:stream/consumers'
import { askAtTerminal } from './cli/ask-at-terminal.ts'
import { runCommandLine } from './cli/program.ts'
import { screenOf } from './cli/screen.ts'
import { terminalOf } from './cli/terminal-of.ts'
import { processVariables } from './config.ts'

const code = await runCommandLine(
  {
    variables: processVariables,
    print: (line) => console.log(line),
    note: (line) => console.error(line),
    readInput: () => text(process.stdin),
    ask: process.stdin.isTTY && process.stderr.isTTY ? askAtTerminal : undefined,
    terminal: terminalOf(process.stderr, processVariables),
    screen: screenOf(process.stdout, processVariables),
  },
  process.argv.slice(2),
)
if (code !== 0) process.exitCode = code
