import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/**
 * Calls `onLook` when a file may have changed: on events of its folder (of the file itself they end when it
 * is replaced), and every `pollMs` as a net, since events are lost on network file systems and over limits.
 * Keeps no process alive.
 */
export class FileWatch {
  readonly #poll: NodeJS.Timeout
  #watcher: FSWatcher | undefined

  constructor(path: string, pollMs: number, onLook: () => void) {
    this.#poll = setInterval(onLook, pollMs).unref()
    const name = basename(path)
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
        if (changed === null || changed === name) onLook()
      })
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      // No more watches to be had (inotify limits): the poll is enough.
    }
  }

  close(): void {
    clearInterval(this.#poll)
    this.#watcher?.close()
  }
}
