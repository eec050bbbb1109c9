/** The corpus of small RDB files: where it is, and what `manifest.json` says about each file. */
import { readFileSync } from 'node:fs'

const directory = new URL('../fixtures/rdb/', import.meta.url)

export interface Verdict {
  /** DEBUG DIGEST and keys per database of the server that loaded it … */
  readonly digest?: string
  readonly keys?: Readonly<Record<string, number>>
  /** … or its words when it did not. */
  readonly refused?: string
}

export interface CorpusFile {
  readonly file: string
  readonly bytes: number
  readonly keysInFile: number
  readonly checksum: 'none' | 'zero' | 'present' | null
  readonly opcodes: Readonly<Record<string, number>>
  readonly redis_7_0_15: Verdict
  readonly redis_8_dev_2024_10: Verdict
  readonly valkey_8_1_dev_2024_10: Verdict
  readonly publishedContent: string | null
}

export function corpus(): CorpusFile[] {
  return JSON.parse(readFileSync(new URL('manifest.json', directory), 'utf8')) as CorpusFile[]
}

/** Where a file is, named as in the manifest. */
export function corpusPath(file: string): URL {
  return new URL(file, directory)
}

/** The bytes of a file. */
export function corpusBytes(file: string): Buffer {
  return readFileSync(corpusPath(file))
}

/** The content as its publisher states it. */
export function publishedContent(file: string): unknown {
  const text = readFileSync(new URL(file, directory), 'utf8')
  return JSON.parse(/^\s*[[{]/.test(text) ? text : `{${text}}`) as unknown
}
