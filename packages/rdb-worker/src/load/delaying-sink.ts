/** key-load-delay: a sink that takes its time with every key, for tests that need a slow load. */
import type { RdbSink } from '@understudy/core/loading'

/** Sleeps are as long as this, so that one sleep serves many keys and an abort is seen soon. */
const SLEEP_MS = 5

/**
 * @param delayMicros microseconds per key; negative: that many keys per microsecond, as redis 7.0 debug.c debugDelay()
 * @param sleep blocks the thread for that many milliseconds; may throw to end the load
 */
export function delayingSink(sink: RdbSink, delayMicros: number, sleep: (milliseconds: number) => void): RdbSink {
  const perKeyMs = (delayMicros < 0 ? 1 / -delayMicros : delayMicros) / 1000
  let owedMs = 0
  const pause = (): void => {
    owedMs += perKeyMs
    while (owedMs >= SLEEP_MS) {
      sleep(SLEEP_MS)
      owedMs -= SLEEP_MS
    }
  }
  return {
    databaseCount: sink.databaseCount,
    resizeHint: (db, keys, expires) => sink.resizeHint(db, keys, expires),
    put(db, rdbType, key, keyStart, keyEnd, value, valueStart, valueEnd, expireAtMs, idleSeconds, freq) {
      pause()
      sink.put(db, rdbType, key, keyStart, keyEnd, value, valueStart, valueEnd, expireAtMs, idleSeconds, freq)
    },
    begin(db, rdbType, key, keyStart, keyEnd, expireAtMs, idleSeconds, freq) {
      pause()
      sink.begin(db, rdbType, key, keyStart, keyEnd, expireAtMs, idleSeconds, freq)
    },
    append: (bytes, start, end) => sink.append(bytes, start, end),
    end: () => sink.end(),
    flush: () => sink.flush(),
  }
}
