/** The name and value of an element of a large hash or set as bulk replies, without a copy where they stand in one piece. */
import type { Entry } from '../keyspace/entry.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import { keyBytes, keyEnd, keyStart, locateKey } from './key-bytes.ts'

/** Field or member: an element is a record, and its name the record's key. */
export function replyName(reply: ReplyEncoder, element: Entry): void {
  locateKey(element)
  reply.bulk(keyBytes, keyStart, keyEnd)
}

export function replyElementValue(reply: ReplyEncoder, element: Entry): void {
  element.replyBulk(reply, 0, element.length)
}
