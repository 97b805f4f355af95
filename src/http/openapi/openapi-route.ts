import type { Context } from 'hono'
import type { Document } from './document.ts'

/** The document as JSON, made when it is first asked for. */
export const openApi = (documentOf: () => Document) => {
  let text: string | undefined
  return (c: Context) => {
    text ??= JSON.stringify(documentOf())
    return c.body(text, 200, { 'content-type': 'application/json' })
  }
}
