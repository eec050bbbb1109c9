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
    const bytes = this.effects.take()
    if (bytes === undefined) return false
    this.offset += bytes.length
    for (const command of readAllReplies(Buffer.from(bytes))) this.lines.push((command as Buffer[]).join(' '))
    return true
  }

  /** What was told since the last call. */
  take(): string[] {
    return this.lines.splice(0)
  }
}
