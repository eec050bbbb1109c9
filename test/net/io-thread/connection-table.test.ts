import { expect, test } from 'vitest'
import { ConnectionTable, NO_QUEUE } from '@understudy/net/internal'

test('rows grow with the connections, are seen through the same memory, and are used again', () => {
  const table = new ConnectionTable()
  const seen = new ConnectionTable(table.memory)
  const slots = Array.from({ length: 1000 }, (_, i) => table.take(i))
  expect(new Set(slots).size).toBe(1000)
  table.write(slots[999]!, 5, 6, 7, 8)
  table.writeReplyOverdue(slots[999]!, 1.5)
  table.writeQueue(slots[999]!, { count: 0, argumentBytes: 10, heldBytes: 640 })
  expect(seen.read(slots[999]!)).toEqual({
    lastInteractionMs: 5,
    inputBytes: 6,
    outputBytes: 7,
    commandId: 8,
    replyOverdue: 1.5,
    queue: { count: 0, argumentBytes: 10, heldBytes: 640 },
  })
  expect(seen.read(slots[3]!)).toEqual({
    lastInteractionMs: 3,
    inputBytes: 0,
    outputBytes: 0,
    commandId: -1,
    replyOverdue: 0,
    queue: NO_QUEUE,
  })
  table.free(slots[999]!)
  expect(table.take(9)).toBe(slots[999])
  expect(seen.read(slots[999]!)).toEqual({
    lastInteractionMs: 9,
    inputBytes: 0,
    outputBytes: 0,
    commandId: -1,
    replyOverdue: 0,
    queue: NO_QUEUE,
  })
  expect(seen.read(-1)).toEqual({
    lastInteractionMs: 0,
    inputBytes: 0,
    outputBytes: 0,
    commandId: -1,
    replyOverdue: 0,
    queue: NO_QUEUE,
  })
})
