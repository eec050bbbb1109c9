/** Segments of a stream log in memory, with a disk that is slow, fails, or forgets when it is told to. */
import type { LogFiles } from '@understudy/net/internal'

export type LogCall = 'create' | 'append' | 'sync' | 'sync-names' | 'remove'

export class MemoryLogFiles implements LogFiles {
  readonly segments: Map<number, Buffer> = new Map()
  /** Called before each call; what it throws is the disk's answer, what it returns is waited for. */
  onCall: (call: LogCall) => Promise<void> | void = () => {}
  syncs = 0

  nameOf(sequence: number): string {
    return `segment ${sequence}`
  }

  async list(): Promise<{ sequence: number; fileBytes: number }[]> {
    const found = [...this.segments].map(([sequence, bytes]) => ({ sequence, fileBytes: bytes.length }))
    return found.toSorted((a, b) => a.sequence - b.sequence)
  }

  async create(sequence: number): ReturnType<LogFiles['create']> {
    await this.onCall('create')
    if (this.segments.has(sequence)) throw new Error(`EEXIST ${sequence}`)
    this.segments.set(sequence, Buffer.alloc(0))
    return {
      append: async (bytes) => {
        await this.onCall('append')
        this.segments.set(sequence, Buffer.concat([this.segments.get(sequence)!, bytes]))
      },
      sync: async () => {
        await this.onCall('sync')
        this.syncs++
      },
      close: async () => {},
    }
  }

  async *read(sequence: number): AsyncGenerator<Uint8Array> {
    const bytes = this.segments.get(sequence)!
    // The same memory for each piece, as a file's reader has it.
    const target = Buffer.alloc(777)
    for (let at = 0; at < bytes.length; at += target.length) {
      yield target.subarray(0, bytes.copy(target, 0, at))
    }
  }

  async syncNames(): Promise<void> {
    await this.onCall('sync-names')
  }

  async remove(sequence: number): Promise<void> {
    await this.onCall('remove')
    this.segments.delete(sequence)
  }
}
