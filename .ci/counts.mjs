// Prints `passed failed` from a result of vitest's JSON reporter or of our own checks.
import { readFileSync } from 'node:fs'

const result = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
// A test left out is a promise not checked: it counts as failed.
const passed = result.passed ?? result.numPassedTests
const failed = result.failed ?? result.numTotalTests - result.numPassedTests
if (!Number.isInteger(passed) || !Number.isInteger(failed)) throw new Error('no counts in the result')
console.log(`${passed} ${failed}`)
