/** The name and value of an element of a large hash or set as bulk replies, without a copy where they stand in one piece. */
import type { Entry } from '../keyspace/entry.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'

/** Field or member: `nameBytes[nameStart .. nameEnd)`, valid until the next change. */
export let nameBytes: Uint8Array = new Uint8Array(0)
export let nameStart = 0
export let nameEnd = 0

/** Points the registers at the name of an element. */
export function locateName(element: Entry): void {
  if (element.isLongKey) {
    nameBytes = element.keyToBuffer()
    nameStart = 0
    nameEnd = nameBytes.length
    return
  }
  nameBytes = element.bytes
  nameEnd = element.start
  nameStart = nameEnd - element.keyLength
}

export function replyName(reply: ReplyEncoder, element: Entry): void {
  locateName(element)
  reply.bulk(nameBytes, nameStart, nameEnd)
}

export function replyElementValue(reply: ReplyEncoder, element: Entry): void {
  element.replyBulk(reply, 0, element.length)
}
