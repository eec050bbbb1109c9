/** key-load-delay: a sink that takes its time with every key, for tests that need a slow load. */
import { KeyDelay, type RdbSink } from '@understudy/core/loading'

/** @param delayMicros @param sleep see KeyDelay */
export function delayingSink(sink: RdbSink, delayMicros: number, sleep: (milliseconds: number) => void): RdbSink {
  const delay = new KeyDelay(delayMicros, sleep)
  return {
    databaseCount: sink.databaseCount,
    resizeHint: (db, keys, expires) => sink.resizeHint(db, keys, expires),
    put(db, rdbType, key, keyStart, keyEnd, value, valueStart, valueEnd, expireAtMs, idleSeconds, freq) {
      delay.pause()
      sink.put(db, rdbType, key, keyStart, keyEnd, value, valueStart, valueEnd, expireAtMs, idleSeconds, freq)
    },
    begin(db, rdbType, key, keyStart, keyEnd, expireAtMs, idleSeconds, freq) {
      delay.pause()
      sink.begin(db, rdbType, key, keyStart, keyEnd, expireAtMs, idleSeconds, freq)
    },
    append: (bytes, start, end) => sink.append(bytes, start, end),
    end: () => sink.end(),
    drop: () => sink.drop(),
    flush: () => sink.flush(),
  }
}
