/** Writes packed values for tests, plainly, from the descriptions of the formats. */

function smallestInteger(value: bigint, sizes: readonly [bits: number, header: number][]): [number, Buffer] {
  for (const [bits, header] of sizes) {
    if (BigInt.asIntN(bits, value) !== value) continue
    const bytes = Buffer.alloc(bits / 8)
    for (let i = 0; i < bytes.length; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 255n)
    return [header, bytes]
  }
  throw new RangeError(`${value} has more than 64 bits`)
}

function listpackContent(value: string | bigint): Buffer {
  if (typeof value === 'bigint') {
    if (value >= 0n && value < 128n) return Buffer.of(Number(value))
    if (value >= -4096n && value < 4096n) {
      const bits = Number(BigInt.asUintN(13, value))
      return Buffer.of(0xc0 | (bits >> 8), bits & 255)
    }
    const [header, bytes] = smallestInteger(value, [
      [16, 0xf1],
      [24, 0xf2],
      [32, 0xf3],
      [64, 0xf4],
    ])
    return Buffer.concat([Buffer.of(header), bytes])
  }
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 64) return Buffer.concat([Buffer.of(0x80 | bytes.length), bytes])
  if (bytes.length < 4096) return Buffer.concat([Buffer.of(0xe0 | (bytes.length >> 8), bytes.length & 255), bytes])
  const header = Buffer.alloc(5, 0xf0)
  header.writeUInt32LE(bytes.length, 1)
  return Buffer.concat([header, bytes])
}

function backLength(length: number): Buffer {
  const groups: number[] = []
  for (let left = length; ; left = Math.floor(left / 128)) {
    groups.unshift(left % 128)
    if (left < 128) break
  }
  return Buffer.from(groups.map((group, index) => (index === 0 ? group : group | 128)))
}

export function buildListpack(values: readonly (string | bigint)[]): Buffer {
  const items = values.map(listpackContent).map((content) => Buffer.concat([content, backLength(content.length)]))
  const body = Buffer.concat(items)
  const header = Buffer.alloc(6)
  header.writeUInt32LE(body.length + 7)
  header.writeUInt16LE(values.length, 4)
  return Buffer.concat([header, body, Buffer.of(0xff)])
}

function ziplistContent(value: string | bigint): Buffer {
  if (typeof value === 'bigint') {
    if (value >= 0n && value <= 12n) return Buffer.of(0xf1 + Number(value))
    const sizes: [number, number][] = [
      [8, 0xfe],
      [16, 0xc0],
      [24, 0xf0],
      [32, 0xd0],
      [64, 0xe0],
    ]
    const [header, bytes] = smallestInteger(value, sizes)
    return Buffer.concat([Buffer.of(header), bytes])
  }
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 64) return Buffer.concat([Buffer.of(bytes.length), bytes])
  if (bytes.length < 16384) return Buffer.concat([Buffer.of(0x40 | (bytes.length >> 8), bytes.length & 255), bytes])
  const header = Buffer.alloc(5, 0x80)
  header.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([header, bytes])
}

export function buildZiplist(values: readonly (string | bigint)[]): Buffer {
  const items: Buffer[] = []
  let previous = 0
  let tail = 10
  let size = 10
  for (const value of values) {
    const before = previous < 254 ? Buffer.of(previous) : Buffer.alloc(5, 254)
    if (previous >= 254) before.writeUInt32LE(previous, 1)
    const item = Buffer.concat([before, ziplistContent(value)])
    items.push(item)
    tail = size
    size += item.length
    previous = item.length
  }
  const header = Buffer.alloc(10)
  header.writeUInt32LE(size + 1)
  header.writeUInt32LE(tail, 4)
  header.writeUInt16LE(values.length, 8)
  return Buffer.concat([header, ...items, Buffer.of(0xff)])
}

export function buildIntset(width: number, values: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(8 + width * values.length)
  bytes.writeUInt32LE(width)
  bytes.writeUInt32LE(values.length, 4)
  for (const [index, value] of values.entries()) {
    for (let i = 0; i < width; i++) bytes[8 + index * width + i] = Number((value >> BigInt(8 * i)) & 255n)
  }
  return bytes
}

export function buildZipmap(pairs: readonly (readonly [string, string])[], unused: number): Buffer {
  const length = (text: string): Buffer => {
    if (text.length < 254) return Buffer.of(text.length)
    const long = Buffer.alloc(5, 254)
    long.writeUInt32LE(text.length, 1)
    return long
  }
  const parts = pairs.flatMap(([field, value]) => [
    length(field),
    Buffer.from(field),
    length(value),
    Buffer.of(unused),
    Buffer.from(value),
    Buffer.alloc(unused, 0xee),
  ])
  return Buffer.concat([Buffer.of(pairs.length), ...parts, Buffer.of(0xff)])
}
