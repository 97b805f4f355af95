import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

/** What `node --cpu-prof` writes. */
export const CpuProfile = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  samples: z.array(z.number()),
  /** Microseconds since the sample before. */
  timeDeltas: z.array(z.number()),
})
export type CpuProfile = z.output<typeof CpuProfile>

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SHOWN = 45
/** Parts of the whole below this are not worth a line. */
const LEAST_PART = 0.003

interface SelfTime {
  readonly name: string
  readonly place: string
  us: number
}

/**
 * Functions by what they cost themselves, and the same by package, in parts of the time that was not idle.
 * @param lastSeconds of the process's life that count: before them it started and warmed up.
 */
export function summaryOf(profile: CpuProfile, lastSeconds: number): string {
  const functions = selfTimes(profile, lastSeconds).filter(({ name }) => name !== '(idle)')
  const total = functions.reduce((sum, { us }) => sum + us, 0)
  const share = (us: number) => `${((us / total) * 100).toFixed(1).padStart(5)} %`
  const parts = new Map<string, number>()
  for (const { name, place, us } of functions) {
    const part = partOf(name, place)
    parts.set(part, (parts.get(part) ?? 0) + us)
  }
  const byPart = [...parts]
    .filter(([, us]) => us >= total * LEAST_PART)
    .toSorted(([, a], [, b]) => b - a)
    .map(([part, us]) => `${share(us)}  ${part}`)
  const byFunction = functions
    .toSorted((a, b) => b.us - a.us)
    .slice(0, SHOWN)
    .map(({ name, place, us }) => `${share(us)}  ${name.padEnd(32)} ${place}`)
  const head = `${(total / 1e6).toFixed(2)} s not idle of the last ${lastSeconds} s`
  return [head, '', ...byPart, '', ...byFunction].join('\n')
}

function selfTimes({ nodes, samples, timeDeltas }: CpuProfile, lastSeconds: number): SelfTime[] {
  const byNode = new Map<number, SelfTime>()
  const byPlace = new Map<string, SelfTime>()
  for (const { id, callFrame } of nodes) {
    const name = callFrame.functionName || '(anonymous)'
    const place = placeOf(callFrame.url, callFrame.lineNumber + 1)
    const entry = byPlace.get(`${name} ${place}`) ?? { name, place, us: 0 }
    byPlace.set(`${name} ${place}`, entry)
    byNode.set(id, entry)
  }
  let toEnd = timeDeltas.reduce((sum, us) => sum + us, 0)
  for (const [index, id] of samples.entries()) {
    const us = timeDeltas[index] ?? 0
    toEnd -= us
    const entry = byNode.get(id)
    if (entry && toEnd < lastSeconds * 1e6) entry.us += us
  }
  return [...byPlace.values()]
}

function placeOf(url: string, line: number): string {
  if (url === '') return ''
  const path = url.startsWith('file://') ? relative(ROOT, fileURLToPath(url)) : url
  const installed = path.indexOf('node_modules/')
  return `${installed < 0 ? path : path.slice(installed)}:${line}`
}

/** The package, the folder of ours, or the kind of what V8 does itself. */
function partOf(name: string, place: string): string {
  if (place === '') return name.startsWith('(') ? name : 'V8 and native code'
  if (place.startsWith('node:')) return `Node: ${place.replace(/^node:(internal\/)?([\w]+).*$/, '$2')}`
  const [, scoped] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(place) ?? []
  if (scoped !== undefined) return scoped
  return place.split('/').slice(0, 2).join('/').replace(/:\d+$/, '')
}
