import { COMMAND, RequestDecoder } from '@understudy/core/internal'
import { KEY_BYTES } from '../../support/dataset.mjs'
import { keyBytes } from '../../support/micro-data.mjs'

/** As many as redis-benchmark sends at once with a pipeline of 64. */
const REQUESTS = 64

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const keys = Buffer.from(keyBytes(REQUESTS)).toString('latin1')
  const text = Array.from(
    { length: REQUESTS },
    (_, i) => `*2\r\n$3\r\nGET\r\n$${KEY_BYTES}\r\n${keys.slice(i * KEY_BYTES, (i + 1) * KEY_BYTES)}\r\n`,
  )
  const pipeline = Buffer.from(text.join(''), 'latin1')
  const decoder = new RequestDecoder()
  add({
    name: 'GET requests, 64 in a chunk',
    perCall: REQUESTS,
    unit: 'requests',
    call: () => {
      decoder.feed(pipeline)
      let count = 0
      while (decoder.next() === COMMAND) count++
      if (count !== REQUESTS) throw new Error(`${count} requests were found`)
    },
  })
}
