/** Every file of the corpus loads with the content real servers saw in it, or is refused for the right reason. */
import { bytesSource, RDB_TYPE_HASH_METADATA, type RdbError, visitItems } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import type { MemorySink } from '../../support/memory-sink.ts'
import { corpus, type CorpusFile, corpusBytes, publishedContent } from '../../support/rdb-corpus.ts'
import { scanBytes } from '../../support/scan-rdb.ts'

/** Files that no server loads, and for another reason than a missing module. */
const REFUSED: Readonly<Record<string, readonly [code: string, byteOffset: number, message: RegExp]>> = {
  'librdb/future_v19.rdb': ['RDB_BAD_VERSION', 0, /RDB format version 99/],
  'librdb/invalid_chksum_v8.rdb': ['RDB_BAD_CHECKSUM', 201, /CRC error/],
  // An opcode of Redis Enterprise.
  'librdb/redis_ent_opcode_ram_lru.rdb': ['RDB_BAD_TYPE', 280, /unknown value type 107/],
  'replicator/module.rdb': ['RDB_BAD_TYPE', 1257, /release candidate/],
}

/** Skipped, by module, and MODULE_AUX sections, in files that servers refuse for want of the module. */
const MODULES: Readonly<Record<string, readonly [skipped: Record<string, number>, aux: number, keys: number]>> = {
  'librdb/misc_with_stream.rdb': [{}, 2, 12],
  'librdb/module_aux.rdb': [{}, 2, 1],
  'librdb/module_aux_v12.rdb': [{ test__rdb: 1 }, 2, 0],
  'rdbtools/redis_60_with_module_aux.rdb': [{}, 1, 0],
  'replicator/dump-module-2.rdb': [{ hellotype: 1 }, 0, 0],
}

/** Servers refuse these; the publisher says what is in them. */
const PUBLISHED_ONLY = ['hdt/valkey_hash2_with_hfe.rdb', 'hdt/zipmap_big_len.rdb']

function verdicts(file: CorpusFile): CorpusFile['redis_7_0_15'][] {
  return [file.redis_7_0_15, file.redis_8_dev_2024_10, file.valkey_8_1_dev_2024_10]
}

/** Scores are printed in another way by Redis 8, so its digest of a sorted set may differ from the rules of 7.0. */
function hasScores(sink: MemorySink): boolean {
  const types = [...sink.databases.values()].flatMap((entries) => [...entries.values()].map(({ rdbType }) => rdbType))
  return types.some((type) => [3, 5, 12, 17].includes(type))
}

describe('the corpus', () => {
  const files = corpus()

  it('is there', () => {
    expect(files).toHaveLength(57)
  })

  for (const file of files) {
    if (file.file in REFUSED) {
      it(`refuses ${file.file}`, () => {
        const [code, byteOffset, message] = REFUSED[file.file]!
        expect(verdicts(file).every(({ refused }) => refused !== undefined)).toBe(true)
        let error: RdbError | undefined
        try {
          scanBytes(corpusBytes(file.file))
        } catch (thrown) {
          error = thrown as RdbError
        }
        expect(error).toMatchObject({ code, byteOffset, message: expect.stringMatching(message) })
      })
      continue
    }

    it(`loads ${file.file}`, () => {
      const bytes = corpusBytes(file.file)
      const { sink, summary, keyCount } = scanBytes(bytes)
      expect(summary.byteCount).toBe(file.bytes)
      expect(summary.aux).toHaveLength(file.opcodes['AUX'] ?? 0)
      expect(summary.functions).toHaveLength(file.opcodes['FUNCTION2'] ?? 0)
      expect(summary.checksumVerified).toBe(file.checksum === 'present')
      const module = MODULES[file.file]
      expect(summary.skippedModules).toEqual(module?.[0] ?? {})
      expect(summary.skippedModuleAux).toBe(module?.[1] ?? 0)
      const skipped = Object.values(summary.skippedModules).reduce((sum, count) => sum + count, 0)
      expect(keyCount + summary.emptyKeysDropped + skipped).toBe(file.keysInFile)
      if (module !== undefined) expect(keyCount).toBe(module[2])

      // The servers loaded the files as primaries: what had expired was dropped.
      const alive = sink.withoutExpired(Date.now())
      const loaded = verdicts(file).filter(({ refused }) => refused === undefined)
      const digests = loaded.map(({ digest }) => digest)
      for (const { keys } of loaded) expect(alive.counts()).toEqual(keys)
      if (file.redis_7_0_15.digest !== undefined) expect(alive.digest()).toBe(file.redis_7_0_15.digest)
      else if (digests.length > 0 && !hasScores(sink)) expect(digests).toContain(alive.digest())
      else expect(module !== undefined || PUBLISHED_ONLY.includes(file.file) || hasScores(sink)).toBe(true)
    })
  }

  it('keeps keys that expired long ago: a replica hides them', () => {
    const { sink } = scanBytes(corpusBytes('hdt/keys_with_expiry.rdb'))
    expect(sink.counts()).toEqual({ db0: 1 })
  })
})

describe('content that only its publisher states', () => {
  function hash(sink: MemorySink, key: string): { fields: Record<string, string>; expire: Record<string, number> } {
    const entry = sink.databases.get(0)!.get(key)!
    const fields: Record<string, string> = {}
    const expire: Record<string, number> = {}
    let field: string | undefined
    let ttl = 0
    visitItems(entry.rdbType, bytesSource(entry.value), {
      text(bytes, start, end) {
        const text = Buffer.from(bytes.subarray(start, end)).toString()
        if (field === undefined) {
          field = text
          return
        }
        fields[field] = text
        expire[field] = ttl
        field = undefined
        ttl = 0
      },
      score: () => expect.unreachable(),
      fieldTtl(expireAtMs) {
        ttl = expireAtMs
      },
      entry: () => expect.unreachable(),
    })
    return { fields, expire }
  }

  it('a hash of Valkey 9 with field TTLs, converted to that of Redis 7.4', () => {
    const { sink, summary } = scanBytes(corpusBytes('hdt/valkey_hash2_with_hfe.rdb'))
    const [published] = publishedContent('hdt/valkey_hash2_with_hfe.json') as {
      hash: Record<string, string>
      expire: Record<string, number>
    }[]
    expect(summary.version).toBe(80)
    expect(sink.databases.get(0)!.get('hash2-hfe')!.rdbType).toBe(RDB_TYPE_HASH_METADATA)
    const { fields, expire } = hash(sink, 'hash2-hfe')
    expect(fields).toEqual(published!.hash)
    expect(expire).toEqual(published!.expire)
  })

  it('a zipmap whose count byte is 255', () => {
    const { sink } = scanBytes(corpusBytes('hdt/zipmap_big_len.rdb'))
    const [published] = publishedContent('hdt/zipmap_big_len.json') as { key: string; hash: Record<string, string> }[]
    expect(hash(sink, published!.key).fields).toEqual(published!.hash)
  })

  it('a sorted set as a listpack of version 11', () => {
    const { sink } = scanBytes(corpusBytes('librdb/zset_lp_v11.rdb'))
    const published = publishedContent('librdb/zset_lp_v11_data.json') as Record<string, Record<string, string>>
    const [key] = sink.databases.get(0)!.keys()
    const entry = sink.databases.get(0)!.get(key!)!
    const scores: Record<string, number> = {}
    let member = ''
    visitItems(entry.rdbType, bytesSource(entry.value), {
      text(bytes, start, end) {
        member = Buffer.from(bytes.subarray(start, end)).toString()
      },
      score(value) {
        scores[member] = value
      },
      fieldTtl: () => expect.unreachable(),
      entry: () => expect.unreachable(),
    })
    const number = (text: string): number => Number(text.replace('inf', 'Infinity'))
    const stated = Object.fromEntries(Object.entries(published[key!]!).map(([name, score]) => [name, number(score)]))
    expect(scores).toEqual(stated)
    expect(Object.keys(scores).length).toBeGreaterThan(0)
  })
})
