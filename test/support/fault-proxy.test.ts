import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startFaultProxy } from './fault-proxy.ts'

const served = new Set<Socket>()
const server = createServer((socket) => {
  served.add(socket)
  socket.on('close', () => served.delete(socket))
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => socket.write(chunk)) // an echo
})

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => void server.close())

async function started() {
  const { port } = server.address() as AddressInfo // listens on TCP
  return startFaultProxy({ host: '127.0.0.1', port })
}

/** A client that notes what it hears. */
async function client(port: number) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const heard = { text: '', isEnded: false, error: undefined as string | undefined }
  socket.on('data', (chunk) => (heard.text += chunk))
  socket.on('end', () => (heard.isEnded = true))
  socket.on('error', (error: NodeJS.ErrnoException) => (heard.error = error.code))
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  return { socket, heard }
}

describe('the fault proxy', () => {
  it('passes bytes, and delays them when slow', async () => {
    await using proxy = await started()
    const { socket, heard } = await client(proxy.port)
    socket.write('one')
    await vi.waitFor(() => expect(heard.text).toBe('one'))
    await proxy.setMode('slow', { latencyMs: 60 })
    const before = performance.now()
    socket.write('two')
    await vi.waitFor(() => expect(heard.text).toBe('onetwo'), { interval: 5 })
    expect(performance.now() - before).toBeGreaterThanOrEqual(115)
    expect(proxy.connections).toBe(1)
    socket.destroy()
    await vi.waitFor(() => expect(proxy.connections).toBe(0))
  })

  it('lets a trickle through, in both directions, and what is sent later only after it', async () => {
    await using proxy = await started()
    const { socket, heard } = await client(proxy.port)
    await proxy.setMode('slow', { latencyMs: 0, bytesPerSecond: 10_000 })
    const before = performance.now()
    const text = 'x'.repeat(1_500)
    socket.write(text)
    await vi.waitFor(() => expect(heard.text.length).toBeGreaterThan(0), { interval: 5 })
    expect(heard.text.length).toBeLessThan(1_500)
    await proxy.setMode('pass')
    socket.write('later')
    await vi.waitFor(() => expect(heard.text).toBe(`${text}later`), { interval: 5 })
    expect(performance.now() - before).toBeGreaterThanOrEqual(145)
  })

  it('refuses new connections while open ones go on', async () => {
    await using proxy = await started()
    const open = await client(proxy.port)
    await proxy.setMode('refuse')
    expect((await client(proxy.port)).heard.error).toBe('ECONNREFUSED')
    open.socket.write('still')
    await vi.waitFor(() => expect(open.heard.text).toBe('still'))
    await proxy.setMode('pass')
    expect((await client(proxy.port)).heard.error).toBeUndefined()
  })

  it('takes a connection and ends it at once', async () => {
    await using proxy = await started()
    await proxy.setMode('accept-close')
    const { heard } = await client(proxy.port)
    await vi.waitFor(() => expect(heard).toEqual({ text: '', isEnded: true, error: undefined }))
  })

  it('holds everything back in a black hole, and delivers it afterwards', async () => {
    await using proxy = await started()
    const { socket, heard } = await client(proxy.port)
    socket.write('a')
    await vi.waitFor(() => expect(heard.text).toBe('a'))
    await proxy.setMode('black-hole')
    socket.write('b')
    await expect(vi.waitFor(() => expect(heard.text).toBe('ab'), { timeout: 150 })).rejects.toThrow(
      /expected/,
    )
    await proxy.setMode('pass')
    await vi.waitFor(() => expect(heard.text).toBe('ab'))
  })

  it('resets open and new connections', async () => {
    await using proxy = await started()
    const open = await client(proxy.port)
    open.socket.write('x')
    await vi.waitFor(() => expect(open.heard.text).toBe('x'))
    await proxy.setMode('reset')
    await vi.waitFor(() => expect(open.heard.error).toBe('ECONNRESET'))
    const late = await client(proxy.port)
    late.socket.write('x')
    await vi.waitFor(() => expect(late.heard.error).toMatch(/ECONNRESET|EPIPE/))
  })

  it('leaves the client alone with a connection whose server side is gone', async () => {
    await using proxy = await started()
    const { socket, heard } = await client(proxy.port)
    socket.write('x')
    await vi.waitFor(() => expect(heard.text).toBe('x'))
    await proxy.setMode('half-open')
    await vi.waitFor(() => expect(served.size).toBe(0))
    socket.write('y')
    await expect(vi.waitFor(() => expect(heard.isEnded).toBe(true), { timeout: 150 })).rejects.toThrow(
      /expected/,
    )
    expect(heard).toEqual({ text: 'x', isEnded: false, error: undefined })
  })
})
