/** A thread that reads whole datasets from pins: for each handle it is sent, the digest of what it saw. */
import { parentPort } from 'node:worker_threads'
import { datasetDigest, PinnedKeyspace } from '@understudy/core/internal'

if (parentPort === null) throw new Error('this file runs in a worker thread')
const port = parentPort
port.on('message', (handle) => {
  const pinned = new PinnedKeyspace(handle)
  try {
    const digest = datasetDigest(pinned)
    port.postMessage({ digest, keptReads: pinned.keptReads })
  } catch (error) {
    port.postMessage({ code: error instanceof Error && 'code' in error ? error.code : String(error), keptReads: 0 })
  } finally {
    pinned.close()
  }
})
