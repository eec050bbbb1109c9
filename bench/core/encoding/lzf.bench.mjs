import { lzfCompress, lzfDecompress } from '@understudy/core/internal'

const BYTES = 4096

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  // Text with repetitions at various distances: what JSON values in a cache look like.
  const plain = Buffer.from(
    Array.from({ length: 200 }, (_, i) => `{"id":${i * 7919},"name":"user-${i}","active":${i % 3 === 0}},`).join(''),
    'latin1',
  ).subarray(0, BYTES)
  const packed = new Uint8Array(BYTES)
  const packedBytes = lzfCompress(plain, 0, plain.length, packed, 0, packed.length)
  if (packedBytes === 0) throw new Error('the sample does not compress')
  const compressed = new Uint8Array(BYTES)
  add({
    name: 'compress 4 KiB of JSON',
    perCall: BYTES,
    unit: 'bytes',
    call: () => {
      const bytes = lzfCompress(plain, 0, plain.length, compressed, 0, compressed.length)
      if (bytes !== packedBytes) throw new Error('another length')
    },
  })
  const unpacked = new Uint8Array(BYTES)
  add({
    name: 'decompress to 4 KiB of JSON',
    perCall: BYTES,
    unit: 'bytes',
    call: () => lzfDecompress(packed, 0, packedBytes, unpacked, 0, BYTES),
  })
}
