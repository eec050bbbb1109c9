/** Replies as raw bytes: where one ends, and what it is made of. Nothing is decoded. */

const CR = 13

/** The end of the reply that begins at `start`; -1 when it is not complete. */
export function replyEnd(bytes: Buffer, start: number, limit: number = bytes.length): number {
  let at = start
  for (let open = 1; open > 0; open--) {
    if (at >= limit) return -1
    const type = bytes[at]!
    let end = at + 1
    while (end < limit && bytes[end] !== CR) end++
    if (end + 1 >= limit) return -1
    const isBlob = type === 0x24 || type === 0x3d || type === 0x21
    const isList = type === 0x2a || type === 0x7e || type === 0x3e
    const isMap = type === 0x25
    if (isBlob || isList || isMap) {
      const count = readCount(bytes, at + 1, end)
      at = end + 2
      if (isBlob && count >= 0) at += count + 2
      else if (count > 0) open += isMap ? count * 2 : count
      if (at > limit) return -1
    } else at = end + 2
  }
  return at
}

function readCount(bytes: Buffer, start: number, end: number): number {
  if (bytes[start] === 0x2d) return -1
  let count = 0
  for (let at = start; at < end; at++) count = count * 10 + bytes[at]! - 0x30
  return count
}

export function isError(reply: Buffer): boolean {
  return reply[0] === 0x2d
}

/** The members of an array, set or map (keys and values in turn); undefined for anything else. */
export function membersOf(reply: Buffer): Buffer[] | undefined {
  const type = String.fromCharCode(reply[0]!)
  if (!'*~%>'.includes(type)) return undefined
  const line = reply.indexOf(CR)
  if (reply[1] === 0x2d) return undefined
  const members: Buffer[] = []
  for (let at = line + 2; at < reply.length;) {
    const end = replyEnd(reply, at)
    if (end < 0) throw new Error('a reply that is cut off')
    members.push(reply.subarray(at, end))
    at = end
  }
  return members
}

/** The bytes of a string reply; undefined for anything else, also for null. */
export function stringOf(reply: Buffer): Buffer | undefined {
  if (reply[0] === 0x2b) return reply.subarray(1, -2)
  if (reply[0] !== 0x24 || reply[1] === 0x2d) return undefined
  return reply.subarray(reply.indexOf(CR) + 2, -2)
}

/** An integer reply, rounded beyond 2^53; undefined for anything else. */
export function integerOf(reply: Buffer): number | undefined {
  return reply[0] === 0x3a ? Number(reply.toString('latin1', 1, reply.length - 2)) : undefined
}

/** For messages: the bytes as JSON shows them, cut off. */
export function shownReply(reply: Buffer, charsMax = 400): string {
  const text = JSON.stringify(reply.toString('latin1', 0, charsMax))
  return reply.length > charsMax ? `${text}… (${reply.length} bytes)` : text
}
