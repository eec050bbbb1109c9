/** Classes of keyspace notifications and their letters in `notify-keyspace-events`. Source: redis 7.0 notify.c. */
import {
  NOTIFY_EVICTED,
  NOTIFY_EXPIRED,
  NOTIFY_GENERIC,
  NOTIFY_HASH,
  NOTIFY_KEY_MISS,
  NOTIFY_KEYEVENT,
  NOTIFY_KEYSPACE,
  NOTIFY_LIST,
  NOTIFY_MODULE,
  NOTIFY_NEW,
  NOTIFY_SET,
  NOTIFY_STREAM,
  NOTIFY_STRING,
  NOTIFY_ZSET,
} from '@understudy/core/internal'

/** Letters in the order in which they are printed. */
const CLASSES: readonly (readonly [letter: string, flag: number])[] = [
  ['g', NOTIFY_GENERIC],
  ['$', NOTIFY_STRING],
  ['l', NOTIFY_LIST],
  ['s', NOTIFY_SET],
  ['h', NOTIFY_HASH],
  ['z', NOTIFY_ZSET],
  ['x', NOTIFY_EXPIRED],
  ['e', NOTIFY_EVICTED],
  ['t', NOTIFY_STREAM],
  ['d', NOTIFY_MODULE],
]
const CHANNELS: readonly (readonly [letter: string, flag: number])[] = [
  ['K', NOTIFY_KEYSPACE],
  ['E', NOTIFY_KEYEVENT],
  ['m', NOTIFY_KEY_MISS],
]

/** What the letter A stands for: everything but key misses and new keys. */
export const NOTIFY_ALL: number = CLASSES.reduce((flags, [, flag]) => flags | flag, 0)

const FLAGS = new Map<string, number>([...CLASSES, ...CHANNELS, ['n', NOTIFY_NEW], ['A', NOTIFY_ALL]])

/** Flags of the letters; undefined when one is unknown. */
export function parseKeyspaceEvents(letters: string): number | undefined {
  let flags = 0
  for (const letter of letters) {
    const flag = FLAGS.get(letter)
    if (flag === undefined) return undefined
    flags |= flag
  }
  return flags
}

/** Letters of the flags, as CONFIG GET prints them. Redis 7.0 leaves `n` out beside `A`; here nothing is left out. */
export function formatKeyspaceEvents(flags: number): string {
  let letters = ''
  if ((flags & NOTIFY_ALL) === NOTIFY_ALL) letters = 'A'
  else for (const [letter, flag] of CLASSES) if (flags & flag) letters += letter
  if (flags & NOTIFY_NEW) letters += 'n'
  for (const [letter, flag] of CHANNELS) if (flags & flag) letters += letter
  return letters
}
