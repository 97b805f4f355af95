import { DriverQuery } from './driver-query.ts'

/**
 * A statement whose parameters are texts already. postgres.js 3.4.9 asks what the types of parameters are before it
 * sends them, one round trip for each statement without a name; texts need no answer to that, so all goes at once.
 */
export class OneTripQuery extends DriverQuery {
  get describeFirst(): boolean {
    return false
  }

  /** The driver sets it when it has looked at the parameters. */
  set describeFirst(_: boolean) {}
}
