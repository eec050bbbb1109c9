/** What a server would send to replicas below of its clients' writes, kept as text. */
import { Effects } from '@understudy/core/internal'
import type { WriteSink } from '@understudy/net/internal'
import { readAllReplies } from './resp-reader.ts'

export class ToldWrites implements WriteSink {
  readonly effects: Effects = new Effects()
  /** Each command, its words joined by spaces. */
  lines: string[] = []
  offset = 0

  unitEnded(): boolean {
    return this.effects.moveTo(this)
  }

  interrupted(cause: string): void {
    this.effects.discard()
    this.lines.push(`interrupted: ${cause}`)
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    this.offset += end - start
    for (const command of readAllReplies(Buffer.from(bytes.subarray(start, end)))) {
      this.lines.push((command as Buffer[]).join(' '))
    }
  }

  /** What was told since the last call. */
  take(): string[] {
    return this.lines.splice(0)
  }
}
