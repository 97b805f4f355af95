import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { PARAMETER_CANARY, PASSWORD_CANARY } from './canary.ts'

const SEARCH = resolve(import.meta.dirname, '../../.ci/canaries.mjs')

it('every canary is found in what a run printed, and nothing else is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-canary-'))
  const log = join(folder, 'log')
  const codeFor = (text: string) => {
    writeFileSync(log, text)
    return spawnSync(process.execPath, [SEARCH, log]).status
  }
  const codes = ['one\ntwo\n', `one\n… ${PARAMETER_CANARY} …\n`, `… ${PASSWORD_CANARY}`].map(codeFor)
  rmSync(folder, { recursive: true, force: true })
  expect(codes).toEqual([0, 1, 1])
})
