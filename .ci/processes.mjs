// What Linux says of processes and of the ports they listen on. Smoke runs need Linux.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Pid and start time of each descendant of `root`, itself included: a pid alone is used again. */
export function familyOf(root) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => statusOf(Number(name)))
    .filter((status) => status !== undefined)
  const family = all.filter(({ pid }) => pid === root)
  for (let i = 0; i < family.length; i++) {
    family.push(...all.filter(({ parent }) => parent === family[i].pid))
  }
  return family
}

export function isRunning({ pid, startedAt }) {
  const now = statusOf(pid)
  return now !== undefined && now.startedAt === startedAt && now.state !== 'Z'
}

/** TCP ports that one of these processes listens on. */
export function portsOf(processes) {
  const sockets = new Set(processes.flatMap(({ pid }) => socketsOf(pid)))
  return [
    ...new Set(
      listening()
        .filter(({ inode }) => sockets.has(inode))
        .map(({ port }) => port),
    ),
  ]
}

export function isListening(port) {
  return listening().some((socket) => socket.port === port)
}

function listening() {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    readOr(path, '')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[3] === '0A')
      .map((columns) => ({ port: Number.parseInt(columns[1].split(':').at(-1), 16), inode: columns[9] })),
  )
}

function socketsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1]
      return inode === undefined ? [] : [inode]
    })
  } catch {
    return [] // gone, or not ours to look into
  }
}

function statusOf(pid) {
  const text = readOr(`/proc/${pid}/stat`, undefined)
  if (text === undefined) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { pid, state: fields[0], parent: Number(fields[1]), startedAt: fields[19] }
}

function readOr(path, fallback) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return fallback
  }
}

function linkOf(path) {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
