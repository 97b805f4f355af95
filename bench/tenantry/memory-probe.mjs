// Loaded before the service with `--expose-gc --import`: answers each message of the parent with what the process
// holds after collecting garbage. Plain JavaScript, so that nothing else is loaded with it.
process.on('message', () => {
  globalThis.gc()
  globalThis.gc()
  process.send(process.memoryUsage())
})
process.channel.unref() // as if nobody listened: the service ends when it would
