import { expect, it } from 'vitest'
import { recordLines } from '../../src/cli/record-lines.ts'

it('a record is shown in words, what belongs to one thing under it', () => {
  const record = {
    id: 'acme',
    reason: null,
    draining: false,
    limits: { weight: 1 },
    labels: {},
    isolation: { isolated: false, findings: ['owns it', 'may connect'] },
    aliases: [{ kind: 'hostname', value: 'acme.example.com' }],
  }
  expect(recordLines(record)).toEqual([
    'id: acme',
    'reason: -',
    'draining: false',
    'limits:',
    '  weight: 1',
    'labels: -',
    'isolation:',
    '  isolated: false',
    '  findings:',
    '    - owns it',
    '    - may connect',
    'aliases:',
    '  - kind hostname, value acme.example.com',
  ])
})
