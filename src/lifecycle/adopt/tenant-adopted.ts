import type { TenantView } from '../tenant/tenant-view.ts'
import type { AdoptionPlan } from './adoption-plan.ts'

/** What came of `tenant adopt`. */
export interface TenantAdopted {
  readonly did: 'planned' | 'adopted' | 'undone' | 'confirmed'
  /** As it is now. */
  readonly tenant: TenantView
  /** Null where it was adopted already, undone or confirmed. */
  readonly plan: AdoptionPlan | null
  /** Whether undo brings back what was. */
  readonly isReversible: boolean
  /** `shut_out`: of this database; `locked`: everywhere. */
  readonly oldLogin: 'works' | 'shut_out' | 'locked'
}
