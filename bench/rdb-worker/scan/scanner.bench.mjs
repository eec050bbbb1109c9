import { crc64 } from '@understudy/core/internal'
import { RdbScanner, ScanWindow } from '@understudy/rdb-worker'
import { KEY_BYTES, VALUE_BYTES } from '../../support/dataset.mjs'
import { keyBytes, valueBytes } from '../../support/micro-data.mjs'

const KEYS = 20_000

/** A snapshot of plain strings: version 10, SELECTDB 0, entries of type 0, the checksum of all. */
function snapshot() {
  const keys = keyBytes(KEYS)
  const values = valueBytes(KEYS)
  /** @type {Uint8Array[]} */
  const parts = [Buffer.from('REDIS0010', 'latin1'), Buffer.from([0xfe, 0])]
  for (let i = 0; i < KEYS; i++) {
    parts.push(Buffer.from([0, KEY_BYTES]), keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES))
    parts.push(Buffer.from([VALUE_BYTES]), values.subarray(i * VALUE_BYTES, (i + 1) * VALUE_BYTES))
  }
  const body = Buffer.concat([...parts, Buffer.from([0xff])])
  const checksum = Buffer.alloc(8)
  checksum.writeBigUInt64LE(crc64(body))
  return Buffer.concat([body, checksum])
}

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const bytes = snapshot()
  const found = { keys: 0 }
  const sink = {
    databaseCount: 1,
    resizeHint: () => {},
    put: () => void found.keys++,
    begin: () => {},
    append: () => {},
    end: () => {},
    drop: () => {},
    flush: () => {},
  }
  add({
    name: 'strings to a sink that does nothing, with checksum',
    perCall: KEYS,
    unit: 'keys',
    call: () => {
      found.keys = 0
      const scanner = new RdbScanner(sink, { verifyChecksum: true })
      new ScanWindow(scanner).write(bytes, 0, bytes.length)
      if (found.keys !== KEYS || !scanner.finished) throw new Error(`${found.keys} keys were found`)
    },
  })
}
