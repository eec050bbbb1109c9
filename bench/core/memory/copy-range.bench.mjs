import { copyRange } from '@understudy/core/internal'

const LENGTHS = [1024, 4096, 65_536, 1 << 20]
/** Behind a multiple of 8, where the source begins: native copies go byte by byte then. */
const ODD = 3

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const shared = new Uint8Array(new SharedArrayBuffer(2 << 20)).fill(1)
  const own = new Uint8Array(2 << 20)
  for (const length of LENGTHS) {
    add({
      name: `${length} bytes out of shared memory`,
      perCall: length,
      unit: 'bytes',
      call: () => copyRange(shared, ODD, ODD + length, own, 0),
    })
    add({
      name: `${length} bytes out of shared memory, set()`,
      perCall: length,
      unit: 'bytes',
      call: () => own.set(shared.subarray(ODD, ODD + length)),
    })
  }
}
