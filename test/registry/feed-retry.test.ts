import { expect, it } from 'vitest'
import { FeedRetry } from '../../src/registry/feed-retry.ts'
import { Wakeup } from '../../src/registry/wakeup.ts'

it('a feed that fails for hours says why once, and again when it fails after an answer or for another reason', async () => {
  const said: string[] = []
  const retry = new FeedRetry((fault) => said.push(fault.message))
  const { signal } = new AbortController()
  const fail = (why: unknown) => {
    const due = new Wakeup()
    due.notify()
    return retry.failed(why, due, signal)
  }
  for (let i = 0; i < 4_000; i++) await fail(new Error('refused'))
  await fail(new Error('denied'))
  expect(said).toEqual(['refused', 'denied'])
  retry.answered()
  await fail(new Error('denied'))
  await fail('no error at all')
  expect(said).toEqual(['refused', 'denied', 'denied', 'the change feed failed'])
  await retry.failed(new Error('ended'), new Wakeup(), AbortSignal.abort())
  expect(said).toHaveLength(4)
})
