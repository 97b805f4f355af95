import { connect } from 'node:net'
import type { Address } from '../ground/ground.ts'

/** Whether a connection is taken; it is closed at once. */
export function isListening(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
