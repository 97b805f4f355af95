import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { Statement, StatementResult } from '../../connection/connection.ts'
import { RegistryUnavailableError, SqlError } from '../../errors.ts'
import { draftOf } from '../audit/audit-draft.ts'
import type { AuditKey } from '../audit/audit-key.ts'
import type { AuditDraft, AuditHead, AuditSeal } from '../audit/audit-trail.ts'
import { tenantOf } from '../record-schema.ts'
import type { Commit, Expectation } from '../registry.ts'

/** What `commit_2` raises where the entry was sealed after another one than the last. */
const OVERTAKEN = 'TR002'
/** Tries in a row before others are given way to. */
const AT_ONCE = 3

const Head = z.object({ revision: z.int(), link: z.int(), mac: z.string() })
/** The state of the registry that the next entry is sealed for. */
type Head = AuditHead & { readonly revision: number }

export interface CommitTerms {
  readonly run: (statement: Statement, isRepeatable: boolean) => Promise<StatementResult>
  /** Of the registry. */
  readonly id: string
  readonly auditKey: AuditKey | undefined
  readonly maxChanges: number
  /** Milliseconds that one commit may take, waiting for its turn included. */
  readonly timeoutMs: number
}

/**
 * Commits of one process. With a key each seals its audit entry for the state that the one before has left, so they take
 * turns; where another process was quicker, the entry is sealed anew.
 */
export class Commits {
  readonly #terms: CommitTerms
  /** As this process has left it; undefined when it does not know. */
  #head: Head | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(terms: CommitTerms) {
    this.#terms = terms
  }

  /** @throws {SqlError} what the function raises. {RegistryUnavailableError} when others were quicker all the time. */
  commit(commit: Commit, expectations: readonly Expectation[]): Promise<readonly number[]> {
    const { auditKey, timeoutMs } = this.#terms
    const draft = draftOf(commit)
    if (auditKey === undefined) return this.#run(commit, expectations, draft, undefined)
    const deadline = performance.now() + timeoutMs
    const done = this.#last.then(() => this.#sealed(commit, expectations, draft, auditKey, deadline))
    this.#last = done.catch(() => undefined)
    return done
  }

  async #sealed(
    commit: Commit,
    expectations: readonly Expectation[],
    draft: AuditDraft,
    key: AuditKey,
    deadline: number,
  ): Promise<readonly number[]> {
    for (let tries = 0; performance.now() < deadline; tries += 1) {
      if (tries >= AT_ONCE) await pause(Math.random() * Math.min(5 * tries, 50))
      const head = this.#head ?? (await this.#readHead())
      const revision = head.revision + changesOf(commit, expectations)
      const { seal } = key.sealed({ ...draft, revision }, head, this.#terms.id)
      // Whatever becomes of it, the state before is not the present one any more, or not surely.
      this.#head = undefined
      try {
        const revisions = await this.#run(commit, expectations, draft, { ...seal, base: head.revision })
        this.#head = { revision, link: seal.link, mac: seal.mac }
        return revisions
      } catch (error) {
        if (!(error instanceof SqlError && error.sqlstate === OVERTAKEN)) throw error
        this.#head = Head.parse(JSON.parse(error.fields.detail ?? '{}'))
      }
    }
    throw new RegistryUnavailableError(
      `the turn of a commit did not come in ${this.#terms.timeoutMs} ms: others were quicker, or slow`,
    )
  }

  async #run(
    commit: Commit,
    expectations: readonly Expectation[],
    draft: AuditDraft,
    seal: (AuditSeal & { readonly base: number }) | undefined,
  ): Promise<readonly number[]> {
    const puts = (commit.puts ?? []).map((put) => ({ ...put, tenant: tenantOf(put) ?? null }))
    const { rows } = await this.#terms.run(
      {
        text: `select array_to_json(tenantry_registry.commit_2($1::text::jsonb, $2::text::jsonb, $3::text::jsonb,
          $4::text::jsonb, $5::text::jsonb, $6::text::bigint))::text as revisions`,
        params: [
          JSON.stringify(puts),
          JSON.stringify(commit.removes ?? []),
          JSON.stringify(expectations),
          JSON.stringify(draft),
          JSON.stringify(seal ?? null),
          String(this.#terms.maxChanges),
        ],
      },
      false,
    )
    const [row] = rows as { revisions: string }[] // the column of the statement above
    return JSON.parse(row?.revisions ?? '[]') as number[] // numbers, as the function returns them
  }

  async #readHead(): Promise<Head> {
    const text = `select json_build_object('revision', revision, 'link', audit_link, 'mac', audit_mac)::text as head
      from tenantry_registry.registry`
    const { rows } = await this.#terms.run({ text }, true)
    const [row] = rows as { head: string }[] // the column of the statement above
    if (row === undefined) {
      throw new RegistryUnavailableError("the registry's own row is not in the management database any more")
    }
    return Head.parse(JSON.parse(row.head))
  }
}

/** By how much the commit raises the registry's revision, where its expectations hold. */
function changesOf({ puts = [], removes = [] }: Commit, expectations: readonly Expectation[]): number {
  const isThere = ({ kind, id }: { readonly kind: string; readonly id: string }) =>
    expectations.some((expected) => expected.kind === kind && expected.id === id && expected.revision > 0)
  return puts.length + removes.filter(isThere).length
}
