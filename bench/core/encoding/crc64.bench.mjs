import { crc64 } from '@understudy/core/internal'
import { valueBytes } from '../../support/micro-data.mjs'

const BYTES = 1024 * 1024

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const bytes = valueBytes(BYTES / 32)
  const expected = crc64(bytes)
  add({
    name: 'crc64 of 1 MiB',
    perCall: BYTES,
    unit: 'bytes',
    call: () => {
      if (crc64(bytes) !== expected) throw new Error('another checksum')
    },
  })
}
