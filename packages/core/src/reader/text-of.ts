/** Bytes as text. JavaScript's strings end before 512 MiB, Redis' do not. */
import { isSizeFault, KeyspaceError } from '../errors.ts'

/** `bytes[start .. end)` as UTF-8. @throws KeyspaceError KEYSPACE_VALUE_TOO_BIG */
export function textOf(bytes: Buffer, start: number, end: number): string {
  try {
    return bytes.toString('utf8', start, end)
  } catch (error) {
    if (!isSizeFault(error)) throw error
    const length = `${end - start} bytes are too long for a string: read them as a Buffer`
    throw new KeyspaceError('KEYSPACE_VALUE_TOO_BIG', length, { cause: error })
  }
}
