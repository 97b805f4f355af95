import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { z } from 'zod'
import { Plans, type ResolvedPlans } from './limits/plans.ts'
import { integer, text } from './setting-kinds.ts'

const PLANS_ALLOWED = 'the path of a readable file of plans (docs/limits.md)'

/** How many requests tenants may make, and who counts. */
export const LIMIT_SETTINGS = {
  PLANS_FILE: text(/^.+$/, PLANS_ALLOWED),
  /** Processes that share limits which no Redis counts. */
  REPLICAS: integer(1, 1_000),
  /** What each process lets in while Redis is gone. */
  LIMITS_WITHOUT_REDIS: text(/^(?:local|open|closed)$/, 'local, open or closed'),
}

export interface LimitSettings {
  readonly plansFile: string | undefined
  readonly plans: ResolvedPlans
  readonly replicas: number
  readonly limitsWithoutRedis: 'local' | 'open' | 'closed'
}

type Values = { readonly [Name in keyof typeof LIMIT_SETTINGS]?: z.output<(typeof LIMIT_SETTINGS)[Name]> }

/** @param refuse is told of what is wrong with a setting: its value, and what is allowed. */
export function limitSettings(
  values: Values,
  refuse: (name: 'PLANS_FILE', value: string, allowed: string) => void,
): LimitSettings {
  const { PLANS_FILE: plansFile, LIMITS_WITHOUT_REDIS: mode } = values
  return {
    plansFile,
    plans: plansFile === undefined ? Plans.parse({}) : plansOf(plansFile, refuse),
    replicas: values.REPLICAS ?? 1,
    limitsWithoutRedis: mode === 'open' || mode === 'closed' ? mode : 'local',
  }
}

/** Names without their prefix, and what holds. */
export function limitLines(settings: LimitSettings): readonly (readonly [string, string | number])[] {
  return [
    ['PLANS_FILE', settings.plansFile ?? 'not set'],
    ['REPLICAS', settings.replicas],
    ['LIMITS_WITHOUT_REDIS', settings.limitsWithoutRedis],
  ]
}

/** What each plan comes to, one line a plan. */
export function planLines({ plansFile, plans }: LimitSettings): string[] {
  if (plansFile === undefined) return []
  const named = Object.entries(plans.plans).map(
    ([name, plan]) => [`plan ${JSON.stringify(name)}`, plan] as const,
  )
  return [['default plan', plans.default] as const, ...named].map(([name, plan]) => {
    const rate = plan.requestsPerMinute ?? 'any number of'
    return `${name}: ${rate} requests per minute, ${plan.concurrency ?? 'any number'} at once`
  })
}

function plansOf(
  file: string,
  refuse: (name: 'PLANS_FILE', value: string, allowed: string) => void,
): ResolvedPlans {
  try {
    const parsed = Plans.safeParse(parse(readFileSync(file, 'utf8')) ?? {})
    if (parsed.success) return parsed.data
    for (const { path, message } of parsed.error.issues)
      refuse('PLANS_FILE', file, `${PLANS_ALLOWED}; ${[...path, message].join(': ')}`)
  } catch (error) {
    const isYaml = error instanceof Error && error.name.startsWith('YAML')
    refuse('PLANS_FILE', file, isYaml ? `${PLANS_ALLOWED}; ${error.message}` : PLANS_ALLOWED)
  }
  return Plans.parse({})
}
