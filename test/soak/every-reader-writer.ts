/**
 * The writer of every-reader.soak.ts: scripts on a real primary, each a MULTI group of its stream, at a steady rate. They keep the
 * invariants of reads-shapes.mjs in databases 0 and 1, and beside them, in database 0:
 *
 *   clock        counts the groups: what one connection reads of it never goes back
 *   blob:<n>     'payload:SHA1 of it'; short, or long enough for nodes; may expire or be deleted
 *   conversion   a hash of n + 1 fields that all hold the same: written anew, packed or not, in each group that touches it
 *   fill:<n>     strings that come and go in numbers, so that tables grow and merge
 *   huge         a list of the numbers 0 … HUGE_SIZE - 1, rotated; missing while it is built anew after FLUSHALL
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeCommands, type RawClient } from '../support/raw-client.ts'
import { type Reply, ReplyError } from '../support/resp-reader.ts'
import type { SeededRandom } from '../support/seeded-random.ts'
import { BLOBS, HUGE_SIZE } from './every-reader-shapes.mjs'
import { ACCOUNTS, BALANCE, SHAPES } from './reads-shapes.mjs'

const FILLS = 200_000
/** In a row. They are the cheapest of the writes, for the primary too, and seven in ten of all. */
const FILLED_AT_ONCE = 40
/** Writes a second that it aims at. */
const PER_SECOND = 125_000
/** Changes of a usual group: a few hundred commands. */
const CHANGES = 60
/** Changes of a large one: close to ten thousand commands. */
const MANY_CHANGES = 1250
const LARGE_GROUPS = 1 / 200
/** Between two of FLUSHALL and a rebuild of everything; longer where `huge` takes longer. */
const FLUSH_EVERY_MS = 30_000
const SWAPS = 1 / 500
/** Elements of `huge` in one group while it is built. */
const HUGE_AT_ONCE = 5000
/** Of the groups, while it is. */
const HUGE_GROUP_EVERY = 2
/** Groups sent at once. */
const PIPELINED = 8
/** How often that may be under way: the primary has the next ones before it is done, and does not wait for this process. */
const LOTS_UNDER_WAY = 2
/** What there was no time for is made up for, up to this. */
const BEHIND_MS_MAX = 250

/** Elements of `huge` that are left at the end: digests of a million take seconds. */
const HUGE_LEFT = 10_000

type Action = 'change' | 'build' | 'swap' | 'huge' | 'shrink'
/** Groups that are sent at once. */
type Lot = readonly (readonly [Action, number])[]

const SCRIPT = `
local seed, amount, clock, action = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local shapes = cjson.decode('${JSON.stringify(SHAPES)}')
math.randomseed(seed)
local random = math.random
local writes, entries = 0, 0
local function write(...)
  writes = writes + 1
  return redis.call(...)
end
local function entry(key)
  entries = entries + 1
  local id = clock .. '-' .. entries
  write('XADD', key, id, 'id', id)
  write('SET', key .. ':last', id)
end
local function inLots(size, command, key, add)
  local lot = {}
  for i = 0, size - 1 do
    add(lot, i)
    if (i + 1) % 100 == 0 or i == size - 1 then
      write(command, key, unpack(lot))
      lot = {}
    end
  end
end
local make = {
  accounts = function(key) for i = 0, ${ACCOUNTS - 1} do write('SET', key .. ':' .. i, ${BALANCE}) end end,
  hash = function(key, size)
    inLots(size, 'HSET', key, function(lot, i)
      lot[#lot + 1] = 'a' .. i lot[#lot + 1] = '0' lot[#lot + 1] = 'b' .. i lot[#lot + 1] = '0'
    end)
  end,
  list = function(key, size) inLots(size, 'RPUSH', key, function(lot, i) lot[#lot + 1] = i end) end,
  sets = function(key, size) inLots(size, 'SADD', key .. ':x', function(lot, i) lot[#lot + 1] = 'member ' .. i end) end,
  zset = function(key, size)
    inLots(size, 'ZADD', key, function(lot, i) lot[#lot + 1] = ${BALANCE} lot[#lot + 1] = 'member ' .. i end)
  end,
  stream = function(key, size) for i = 1, size do entry(key) end end,
}
local change = {
  accounts = function(key)
    for i = 1, random(3) do
      local from, by = random(0, ${ACCOUNTS - 1}), random(50)
      write('INCRBY', key .. ':' .. from, -by)
      write('INCRBY', key .. ':' .. (from + i) % ${ACCOUNTS}, by)
    end
  end,
  hash = function(key, size)
    local some, value = random(0, size - 1), clock .. '.' .. random(1000)
    if random(20) == 1 then value = value .. string.rep('.', random(300)) end
    write('HSET', key, 'a' .. some, value, 'b' .. some, value)
  end,
  list = function(key)
    if random(2) == 1 then write('LMOVE', key, key, 'LEFT', 'RIGHT') else write('LMOVE', key, key, 'RIGHT', 'LEFT') end
  end,
  sets = function(key, size)
    local from, to = ':x', ':y'
    if random(2) == 1 then from, to = to, from end
    if redis.call('SMOVE', key .. from, key .. to, 'member ' .. random(0, size - 1)) == 1 then writes = writes + 1 end
  end,
  zset = function(key, size)
    local some, by = random(0, size - 1), random(50)
    write('ZINCRBY', key, by, 'member ' .. some)
    write('ZINCRBY', key, -by, 'member ' .. (some + random(size - 1)) % size)
  end,
  stream = function(key, size)
    entry(key)
    write('XTRIM', key, 'MAXLEN', size)
  end,
}
local function blob()
  local payload = string.rep(clock .. '.' .. random(1000), random(20) == 1 and random(4000) or random(8))
  local key, value = 'blob:' .. random(0, ${BLOBS - 1}), payload .. ':' .. redis.sha1hex(payload)
  local fate = random(8)
  if fate == 1 then write('SET', key, value, 'PX', random(2000))
  elseif fate == 2 then if redis.call('DEL', key) == 1 then writes = writes + 1 end
  else write('SET', key, value) end
end
local function conversion()
  local size, value = random(20) == 1 and random(500, 700) or random(20), clock .. string.rep('.', random(0, 70))
  write('DEL', 'conversion')
  inLots(size, 'HSET', 'conversion', function(lot, i) lot[#lot + 1] = i lot[#lot + 1] = value end)
  write('HSET', 'conversion', 'size', size)
end
local function fill()
  local first, command = random(0, ${FILLS - 1}), random(3) == 1 and 'DEL' or 'SET'
  for i = first, first + ${FILLED_AT_ONCE - 1} do
    if command == 'SET' then write('SET', 'fill:' .. i, clock)
    elseif redis.call('DEL', 'fill:' .. i) == 1 then writes = writes + 1 end
  end
end
local function huge()
  if redis.call('LMOVE', 'huge', 'huge', 'LEFT', 'RIGHT') then writes = writes + 1 end
end
local others = { blob, blob, conversion, huge, fill, fill, fill, fill, fill, fill }
if action == 'build' then
  write('FLUSHALL')
  for db = 0, 1 do
    redis.call('SELECT', db)
    for _, shape in ipairs(shapes) do make[shape.kind](shape.key, shape.size) end
  end
  redis.call('SELECT', 0)
elseif action == 'swap' then
  write('SWAPDB', 0, 1)
elseif action == 'huge' then
  inLots(${HUGE_AT_ONCE}, 'RPUSH', 'huge:new', function(lot, i) lot[#lot + 1] = amount + i end)
  if amount + ${HUGE_AT_ONCE} == ${HUGE_SIZE} then write('RENAME', 'huge:new', 'huge') end
elseif action == 'shrink' then
  write('LTRIM', 'huge', 0, amount - 1)
else
  for i = 1, amount do
    if random(4) == 1 then others[random(#others)]()
    else
      local shape = shapes[random(#shapes)]
      change[shape.kind](shape.key, shape.size)
    end
  end
end
write('SET', 'clock', clock)
return writes
`

export class EveryReaderWriter {
  readonly groups: Record<Action, number> = { change: 0, build: 0, swap: 0, huge: 0, shrink: 0 }
  readonly #client: RawClient
  readonly #random: SeededRandom
  /** Commands that changed something. */
  #writes = 0
  #script = ''
  #clock = 0
  /** Elements of `huge` or of what becomes it. */
  #hugeSize = 0
  readonly #underWay: Lot[] = []
  #isRunning = true
  #loop: Promise<void> = Promise.resolve()
  #failure: Error | undefined

  /** Both databases are there when it returns. */
  static async start(client: RawClient, random: SeededRandom): Promise<EveryReaderWriter> {
    const writer = new EveryReaderWriter(client, random)
    writer.#script = String(await client.call('SCRIPT', 'LOAD', SCRIPT))
    await writer.#run([['build', 0]])
    return writer
  }

  private constructor(client: RawClient, random: SeededRandom) {
    this.#client = client
    this.#random = random
  }

  /** Begins to change what is there. */
  begin(): void {
    this.#loop = this.#changeUntilStopped()
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async stop(): Promise<void> {
    this.#isRunning = false
    await this.#loop
    this.check()
    // Databases may have been swapped before.
    await this.#run([
      ['shrink', HUGE_LEFT],
      ['swap', 0],
      ['shrink', HUGE_LEFT],
    ])
  }

  async #changeUntilStopped(): Promise<void> {
    try {
      let flushAtMs = performance.now() + FLUSH_EVERY_MS
      let paceMs = performance.now()
      while (this.#isRunning) {
        const nowMs = performance.now()
        paceMs = Math.max(paceMs, nowMs - BEHIND_MS_MAX)
        if (paceMs > nowMs) {
          await sleep(1)
          continue
        }
        const before = this.#writes
        if (nowMs >= flushAtMs && this.#hugeSize === HUGE_SIZE) {
          this.#send([['build', 0]])
          this.#hugeSize = 0
          flushAtMs = nowMs + FLUSH_EVERY_MS
        } else {
          this.#send(Array.from({ length: PIPELINED }, (_, i) => this.#draw(i)))
        }
        await this.#receive(LOTS_UNDER_WAY - 1)
        paceMs += ((this.#writes - before) * 1000) / PER_SECOND
      }
      await this.#receive(0)
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
    }
  }

  /** A group; until `huge` is there some go on building it, and databases stay where they are. */
  #draw(index: number): [Action, number] {
    const random = this.#random
    if (this.#hugeSize === HUGE_SIZE) {
      if (random.chance(SWAPS)) return ['swap', 0]
    } else if (index % HUGE_GROUP_EVERY === 0) {
      const first = this.#hugeSize
      this.#hugeSize += HUGE_AT_ONCE
      return ['huge', first]
    }
    return ['change', random.chance(LARGE_GROUPS) ? MANY_CHANGES : CHANGES]
  }

  async #run(groups: Lot): Promise<void> {
    this.#send(groups)
    await this.#receive(0)
  }

  #send(groups: Lot): void {
    const seed = (): number => this.#random.int(0, 2 ** 31 - 1)
    this.#client.send(
      encodeCommands(
        groups.map(([action, amount]) => ['EVALSHA', this.#script, 0, seed(), amount, ++this.#clock, action]),
      ),
    )
    this.#underWay.push(groups)
  }

  /** Reads replies until no more than so many lots are under way. */
  async #receive(underWayMax: number): Promise<void> {
    while (this.#underWay.length > underWayMax) {
      const groups = this.#underWay.shift()!
      const replies = await this.#client.readReplies(groups.length)
      for (const [i, reply] of replies.entries()) {
        this.#writes += countOf(reply)
        this.groups[groups[i]![0]]++
      }
    }
  }
}

function countOf(reply: Reply): number {
  if (reply instanceof ReplyError) throw reply
  return Number(reply)
}
