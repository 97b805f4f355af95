import type { Found } from '../finding.ts'
import type { ServerCheck } from '../server-look.ts'

/** Beyond it, what two clocks say differs by more than networks and loads explain. */
const SKEW_MS = 5_000

export const clock: ServerCheck = {
  name: 'clock',
  run({ server, facts: { skewMs, skewErrorMs } }): Found[] {
    if (Math.abs(skewMs) - skewErrorMs <= SKEW_MS) return []
    const seconds = (Math.abs(skewMs) / 1_000).toFixed(1)
    return [
      {
        severity: 'warning',
        subject: `server ${server.id}`,
        what: `Its clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} that of this machine.`,
        consequence:
          'One of the two is wrong: keys expire and short-lived passwords end too early or too late, and audit and logs cannot be laid side by side.',
        fix: 'Look at the time service of both machines: timedatectl timesync-status',
      },
    ]
  },
}
