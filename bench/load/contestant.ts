/** What is compared over HTTP: something that answers `POST /v1/query`, in processes of its own. */
export interface Contestant {
  readonly name: string
  /** What it is, for the report. */
  readonly description: string
  /** What a request for this tenant presents. */
  keyOf(tenant: string): string
  /** Starts it afresh: nothing is warm. */
  start(): Promise<RunningContestant>
}

export interface RunningContestant extends AsyncDisposable {
  readonly url: string
  /** All of whose processor time is its own. */
  readonly pids: readonly number[]
  /** Of a delay of its own. */
  readonly delayPids?: readonly number[]
}
