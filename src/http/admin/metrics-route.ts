import type { Context } from 'hono'

/** What a scrape is answered with. */
export interface MetricsSource {
  readonly contentType: string
  text(): Promise<string>
}

export const metricsText = (metrics: MetricsSource) => async (c: Context) =>
  c.body(await metrics.text(), 200, { 'content-type': metrics.contentType })
