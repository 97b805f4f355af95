import { InvalidRequestError } from '../../errors.ts'

/** What is wrong with a line of a list; never a value of it, which may hold a password. */
export interface RowFault {
  /** From 1. */
  readonly line: number
  readonly what: string
}

/** Of a problem's detail: the rest is told by a dry run. */
const MAX_SHOWN = 20

/** A list with faults, of which nothing was imported. The message names them all. */
export class ListFaultsError extends InvalidRequestError {
  readonly faults: readonly RowFault[]
  override readonly publicDetail: string

  constructor(faults: readonly RowFault[]) {
    const begin = `The list has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}, so nothing was imported`
    super(`${begin}:\n${faults.map((fault) => `  ${faultLine(fault)}`).join('\n')}`)
    this.faults = faults
    const more =
      faults.length > MAX_SHOWN ? `; and ${faults.length - MAX_SHOWN} more, which a dry run tells` : ''
    this.publicDetail = `${begin}: ${faults.slice(0, MAX_SHOWN).map(faultLine).join('; ')}${more}`
  }
}

export function faultLine({ line, what }: RowFault): string {
  return `line ${line}: ${what}`
}
