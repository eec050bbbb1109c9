/**
 * Runs steps on both servers and compares: each reply as it comes, and then what the servers hold. The first server is
 * the reference; its replica, when there is one, must hold the same as it does.
 */
import type { Word } from './draw.ts'
import { type Endpoint, EndpointFailure } from './endpoint.ts'
import { isDump, isExcused, isIteration, rowOf, translate } from './exceptions.ts'
import type { FuzzCommand, Step } from './generator.ts'
import { isError, membersOf, shownReply, stringOf } from './replies.ts'
import { shownCommand } from '../support/shown-command.ts'
import { compareState, type Difference, DifferenceFound, type StateEndpoints } from './state.ts'

/** Directives of a round, set on all servers. */
export type RoundDirectives = Readonly<Record<string, string>>

export interface RoundSettings {
  readonly resp: 2 | 3
  readonly directives: RoundDirectives
}

export interface Endpoints {
  readonly primary: Endpoint
  /** Left out when the first is of another release than the one whose replies are copied: then its replica is all that is compared. */
  readonly writable?: Endpoint
  /** Connections to the same servers and to the primary's replica, for comparing what they hold. */
  readonly state: StateEndpoints
}

interface BothServers {
  readonly primary: Endpoint
  readonly writable: Endpoint
}

const EXCHANGED = 'fuzz:dump'
const ITERATION_CALLS_MAX = 5000

export class Pair {
  /** Of the steps run so far. */
  commandCount = 0
  errorCount = 0
  readonly #endpoints: Endpoints
  #queue: FuzzCommand[] | undefined

  constructor(endpoints: Endpoints) {
    this.#endpoints = endpoints
  }

  /** Both empty, in database 0, with the directives of the round; those that a server does not have are left out. */
  async reset({ resp, directives }: RoundSettings): Promise<void> {
    this.#queue = undefined
    const settings = Object.entries(directives).map(([name, value]) => ['CONFIG', 'SET', name, value])
    const { primary, writable, state } = this.#endpoints
    const begin = [...settings, ['HELLO', String(resp)], ['SELECT', '0'], ['UNWATCH'], ['FLUSHALL', 'SYNC']]
    await Promise.all([
      primary.call(begin),
      writable?.call(begin),
      state.replica?.call(settings),
      state.stockReplica?.call(settings),
    ])
  }

  /** Runs the steps. @returns the first difference between replies. */
  async run(steps: readonly Step[]): Promise<Difference | undefined> {
    return attempt(async () => {
      const segment: { command: FuzzCommand; step: number }[] = []
      const flush = async (): Promise<void> => {
        await this.#runSegment(segment.splice(0))
      }
      for (const [index, step] of steps.entries()) {
        for (const command of step) {
          const { primary, writable } = this.#endpoints
          const walks = isIteration(command.words)
          if (writable === undefined || (!walks && !isDump(command.words))) {
            segment.push({ command, step: index })
            continue
          }
          await flush()
          this.commandCount++
          const servers = { primary, writable }
          await (walks ? this.#iterate(servers, command.words, index) : this.#exchange(servers, command.words, index))
        }
      }
      await flush()
    })
  }

  async #runSegment(segment: readonly { command: FuzzCommand; step: number }[]): Promise<void> {
    const { primary, writable } = this.#endpoints
    const expected = await primary.call(segment.map(({ command }) => command.words))
    if (writable === undefined) {
      this.commandCount += segment.length
      this.errorCount += expected.filter(isError).length
      return
    }
    const commands: (readonly Word[])[] = []
    const translations = segment.map(({ command }, i) => {
      const translation = translate(command.words, expected[i]!)
      commands.push(...(translation?.commands ?? [command.words]))
      return translation
    })
    const actual = await writable.call(commands)
    this.commandCount += segment.length
    let at = 0
    let before: Buffer | undefined
    for (const [i, { command, step }] of segment.entries()) {
      const theirs = expected[i]!
      const translation = translations[i]
      const { words } = command
      if (isError(theirs)) this.errorCount++
      if (translation === undefined) {
        const ours = actual[at++]!
        if (!theirs.equals(ours) && !this.#isExcused(command, theirs, ours, before)) {
          throw new DifferenceFound(replyDifference(words, theirs, ours, step))
        }
      } else {
        const replies = actual.slice(at, (at += translation.commands.length))
        const judged = translation.judge(replies)
        if (!judged.excused && !judged.expected.equals(judged.actual)) {
          throw new DifferenceFound(replyDifference(words, judged.expected, judged.actual, step))
        }
      }
      this.#follow(command, theirs)
      before = theirs
    }
  }

  /** Keeps what MULTI has queued. */
  #follow(command: FuzzCommand, reply: Buffer): void {
    const name = rowOf(command.words)
    if (name === 'MULTI' && !isError(reply)) this.#queue = []
    else if (name === 'EXEC' || name === 'DISCARD') this.#queue = undefined
    else if (this.#queue !== undefined && reply.toString('latin1', 0, 7) === '+QUEUED') this.#queue.push(command)
  }

  #isExcused({ words }: FuzzCommand, expected: Buffer, actual: Buffer, before: Buffer | undefined): boolean {
    const queue = this.#queue
    if (queue === undefined || rowOf(words) !== 'EXEC') return isExcused({ words, expected, actual, before })
    const left = membersOf(expected)
    const right = membersOf(actual)
    if (left === undefined || right === undefined || left.length !== right.length) return false
    return left.every((reply, i) => {
      const other = right[i]!
      const queued = queue[i]!.words
      return reply.equals(other) || isExcused({ words: queued, expected: reply, actual: other, before: undefined })
    })
  }

  /** A SCAN of any kind, from cursor 0 to its end. */
  async #iterate({ primary, writable }: BothServers, words: readonly Word[], step: number): Promise<void> {
    const [expected, actual] = await Promise.all([walk(primary, words), walk(writable, words)])
    if (expected.startsWith('-')) this.errorCount++
    if (expected !== actual) {
      throw new DifferenceFound({ ...asReplies(words, expected, actual), step })
    }
  }

  /** DUMP on both; each server restores what the other gave. */
  async #exchange({ primary, writable }: BothServers, words: readonly Word[], step: number): Promise<void> {
    const [[expected], [actual]] = await Promise.all([primary.call([words]), writable.call([words])])
    const theirs = stringOf(expected!)
    const ours = stringOf(actual!)
    if (theirs === undefined || ours === undefined) {
      if (!expected!.equals(actual!)) throw new DifferenceFound(replyDifference(words, expected!, actual!, step))
      return
    }
    const restore = (payload: Buffer): Word[] => ['RESTORE', EXCHANGED, '0', payload, 'REPLACE']
    const [[first], [second]] = await Promise.all([primary.call([restore(ours)]), writable.call([restore(theirs)])])
    for (const [reply, from] of [
      [first!, ours],
      [second!, theirs],
    ] as const) {
      if (isError(reply)) {
        const what = `the other server's DUMP of ${shownCommand(words)}, ${from.toString('hex', 0, 400)}`
        throw new DifferenceFound({ ...asReplies(words, '+OK', shownReply(reply)), what, step })
      }
    }
  }

  /** Compares what the servers hold now, over connections of its own. */
  async compareState(): Promise<Difference | undefined> {
    return attempt(() => compareState(this.#endpoints.state))
  }
}

async function attempt(run: () => Promise<void>): Promise<Difference | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    if (error instanceof DifferenceFound) return error.difference
    if (!(error instanceof EndpointFailure)) throw error
    return { kind: 'failure', subject: 'server', what: error.message, expected: 'an answer', actual: 'none' }
  }
}

/** All that an iteration meets: each thing once, sorted; the reply itself when it is an error. */
async function walk(endpoint: Endpoint, words: readonly Word[]): Promise<string> {
  const cursorAt = rowOf(words) === 'SCAN' ? 1 : 2
  const size = ['HSCAN', 'ZSCAN'].includes(rowOf(words)) ? 2 : 1
  const met = new Set<string>()
  const next = [...words]
  for (let calls = 0; calls < ITERATION_CALLS_MAX; calls++) {
    const [reply] = await endpoint.call([next])
    const parts = membersOf(reply!)
    const cursor = parts === undefined ? undefined : stringOf(parts[0]!)
    if (parts?.length !== 2 || cursor === undefined) return reply!.toString('latin1')
    const members = membersOf(parts[1]!) ?? []
    for (let i = 0; i < members.length; i += size) {
      const group = members.slice(i, i + size)
      met.add(group.map((member) => member.toString('latin1')).join(''))
    }
    if (cursor.toString() === '0') return [...met].toSorted().join('')
    next[cursorAt] = Buffer.from(cursor)
  }
  return 'an iteration without end'
}

function replyDifference(words: readonly Word[], expected: Buffer, actual: Buffer, step: number): Difference {
  return { ...asReplies(words, '', ''), expected: shownReply(expected), actual: shownReply(actual), step }
}

function asReplies(words: readonly Word[], expected: string, actual: string): Difference {
  const clip = (text: string): string =>
    JSON.stringify(text.length > 400 ? `${text.slice(0, 400)}… (${text.length})` : text)
  return {
    kind: 'reply',
    subject: rowOf(words),
    what: shownCommand(words),
    expected: clip(expected),
    actual: clip(actual),
  }
}
