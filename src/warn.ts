/** Tells of a fault that nobody else hears of, as a process warning. */
export function warn(fault: unknown): void {
  process.emitWarning(fault instanceof Error ? fault : String(fault))
}
