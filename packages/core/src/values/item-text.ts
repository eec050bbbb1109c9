/**
 * The text of one item of a listpack or intset without a copy where it stands as text: an integer is written into a buffer of
 * this module. Registers, valid until the next call: `itemBytes[itemStart .. itemEnd)`.
 */
import { intsetRead } from '../encoding/intset.ts'
import { listpackRead } from '../encoding/listpack.ts'
import { INTEGER_TEXT_BYTES_MAX, writeInt64 } from '../encoding/integer.ts'
import { PackedItem } from '../encoding/packed-item.ts'
import { checkRead } from '../keyspace/read-guard.ts'
import { noteModuleViews } from '../memory/view-holders.ts'

/** The last item as it was read. */
export const packedItem: PackedItem = new PackedItem()
const digits: Uint8Array = new Uint8Array(INTEGER_TEXT_BYTES_MAX)

export let textBytes: Uint8Array = digits
export let textStart = 0
export let textEnd = 0
noteModuleViews(() => {
  textBytes = digits
})

/** Reads the item at `at` of a listpack that ends at `end`. @returns the position of the next item, -1 if it is malformed. */
export function readListpackText(bytes: Uint8Array, at: number, end: number): number {
  checkRead()
  const next = listpackRead(bytes, at, end, packedItem)
  if (next >= 0) showItem(bytes)
  return next
}

/** Reads integer `index` of the intset `bytes[start .. end)`. */
export function readIntsetText(bytes: Uint8Array, start: number, end: number, index: number): void {
  checkRead()
  intsetRead(bytes, start, end, index, packedItem)
  showItem(bytes)
}

function showItem(bytes: Uint8Array): void {
  if (packedItem.isInteger) {
    textBytes = digits
    textStart = 0
    textEnd = writeInt64(packedItem.lo, packedItem.hi, digits, 0)
  } else {
    textBytes = bytes
    textStart = packedItem.start
    textEnd = packedItem.end
  }
}
