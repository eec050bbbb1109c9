/**
 * An RdbLoader without workers: takes the bytes, checks magic and length or end mark, and answers with no data. Its room
 * and its pace can be limited, and it fails when told to. For tests of whoever receives snapshots.
 */
import { writeFileSync } from 'node:fs'
import {
  RdbError,
  type RdbLoad,
  type RdbLoader,
  type RdbLoadOptions,
  type RdbLoadResult,
  ReplicaError,
} from '@understudy/core/internal'

export interface FakeLoaderOptions {
  /** Room between receiver and loader. Default 1 MiB. */
  readonly ringBytes?: number
  /** Bytes taken each time, and the pause between. Default: all, at once in the same turn. */
  readonly takeBytes?: number
  readonly takeEveryMs?: number
  /** Fail when this many bytes were taken. */
  readonly failAtByte?: number
  readonly aux?: [string, string][]
  /** Everything is loaded, and nobody has been told yet. */
  readonly onLoaded?: () => void
  /** The file cannot be written, for this reason. */
  readonly fileFault?: string
}

export class FakeRdbLoader implements RdbLoader {
  options: FakeLoaderOptions
  readonly loads: FakeRdbLoad[] = []

  constructor(options: FakeLoaderOptions = {}) {
    this.options = options
  }

  load(options: RdbLoadOptions): FakeRdbLoad {
    const load = new FakeRdbLoad(options, this.options)
    this.loads.push(load)
    return load
  }

  loadFile(): Promise<RdbLoadResult> {
    return Promise.reject(new ReplicaError('FILE_FAILED', 'the fake loader loads no files'))
  }

  async close(): Promise<void> {
    for (const load of this.loads) load.abort()
  }
}

export class FakeRdbLoad implements RdbLoad {
  readonly options: RdbLoadOptions
  readonly result: Promise<RdbLoadResult>
  onSpace: (() => void) | undefined
  isAborted = false
  usesAllThreads = false
  wasEnded = false
  /** How often the receiver was told that there is no room. */
  refusals = 0
  readonly #fake: FakeLoaderOptions
  readonly #ring: Uint8Array
  #head = 0
  #count = 0
  #taken: Buffer[] = []
  #takenBytes = 0
  #leftover: Buffer = Buffer.alloc(0)
  #wantsSpace = false
  #isSettled = false
  #hurries = false
  #timer: NodeJS.Timeout | undefined
  #resolve!: (result: RdbLoadResult) => void
  #reject!: (error: ReplicaError) => void

  constructor(options: RdbLoadOptions, fake: FakeLoaderOptions) {
    this.options = options
    this.#fake = fake
    this.#ring = new Uint8Array(new SharedArrayBuffer(fake.ringBytes ?? 1024 * 1024))
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.result.catch(() => undefined)
  }

  writable(limit = Infinity): Uint8Array | undefined {
    const room = this.#ring.length - this.#count
    if (room === 0) {
      this.#wantsSpace = true
      this.refusals++
      return undefined
    }
    const at = (this.#head + this.#count) % this.#ring.length
    return this.#ring.subarray(at, at + Math.min(room, this.#ring.length - at, limit))
  }

  produced(count: number): void {
    if (count > this.#ring.length - this.#count) throw new Error('produced() beyond what writable() lent')
    this.#count += count
    this.#schedule()
  }

  useAllThreads(): void {
    this.usesAllThreads = true
  }

  end(): void {
    this.wasEnded = true
    this.#schedule()
  }

  abort(): void {
    this.isAborted = true
    this.#fail(new RdbError('RDB_ABORTED', 'the load was given up', this.#takenBytes))
  }

  progress(): { loadedBytes: number; loadedKeys: number } {
    return { loadedBytes: this.#takenBytes, loadedKeys: 0 }
  }

  leftover(): Uint8Array[] {
    return this.#leftover.length === 0 ? [] : [this.#leftover]
  }

  /** From here on all there is is taken at once. */
  hurry(): void {
    this.#hurries = true
    this.#take()
  }

  #schedule(): void {
    if (this.#fake.takeEveryMs === undefined || this.#hurries) this.#take()
    else this.#timer ??= setTimeout(() => this.#onTimer(), this.#fake.takeEveryMs)
  }

  #onTimer(): void {
    this.#timer = undefined
    this.#take()
    if (!this.#isSettled && (this.#count > 0 || this.wasEnded)) this.#schedule()
  }

  #take(): void {
    const bytes = Buffer.alloc(Math.min(this.#count, this.#hurries ? Infinity : (this.#fake.takeBytes ?? Infinity)))
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#ring[(this.#head + i) % this.#ring.length]!
    this.#head = (this.#head + bytes.length) % this.#ring.length
    this.#count -= bytes.length
    this.#taken.push(bytes)
    this.#takenBytes += bytes.length
    this.#judge()
    if (this.#wantsSpace && bytes.length > 0) {
      this.#wantsSpace = false
      this.onSpace?.()
    }
  }

  #judge(): void {
    if (this.#isSettled) return
    const { framing } = this.options
    const { failAtByte } = this.#fake
    if (failAtByte !== undefined && this.#takenBytes >= failAtByte) {
      return this.#fail(new RdbError('RDB_BAD_TYPE', 'unknown value type 99', failAtByte, 99, 'some:key'))
    }
    const all = Buffer.concat(this.#taken)
    this.#taken = [all]
    if (all.length >= 5 && all.toString('latin1', 0, 5) !== 'REDIS') {
      return this.#fail(new RdbError('RDB_BAD_MAGIC', 'not an RDB', 0))
    }
    const end = framing.kind === 'length' ? framing.byteLength : all.indexOf(framing.endMark)
    if (end >= 0 && all.length >= end + (framing.kind === 'mark' ? 40 : 0)) {
      if (framing.kind === 'mark') this.#leftover = all.subarray(end + 40)
      this.#isSettled = true
      const { fileFault } = this.#fake
      const { file } = this.options
      if (file !== undefined && fileFault === undefined) writeFileSync(file, all.subarray(0, end))
      this.#fake.onLoaded?.()
      return this.#resolve({
        ...(fileFault === undefined ? {} : { fileFault }),
        generation: { control: new SharedArrayBuffer(0), segments: [] },
        keyCount: 0,
        summary: {
          family: 'redis',
          version: 10,
          aux: this.#fake.aux ?? [],
          functions: [],
          keysByType: {},
          announcedKeys: [],
          skippedModules: {},
          emptyKeysDropped: 0,
          skippedModuleAux: 0,
          skippedKeyMeta: 0,
          checksumVerified: true,
          byteCount: end,
        },
      })
    }
    if (this.wasEnded && this.#count === 0) {
      this.#fail(new RdbError('RDB_TRUNCATED', 'the snapshot ends too early', all.length))
    }
  }

  #fail(error: RdbError): void {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#timer)
    this.#reject(error)
  }
}
