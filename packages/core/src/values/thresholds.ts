/** When Redis would change the encoding of a value: directives, with redis 7.0's defaults. */

export interface EncodingThresholds {
  /** hash-max-listpack-entries: fields. */
  hashMaxListpackEntries: number
  /** hash-max-listpack-value: bytes of the longest field or value. */
  hashMaxListpackValue: number
  /** set-max-intset-entries. */
  setMaxIntsetEntries: number
  /** zset-max-listpack-entries. */
  zsetMaxListpackEntries: number
  /** zset-max-listpack-value: bytes of the longest member. */
  zsetMaxListpackValue: number
  /** list-max-listpack-size: items of a node, or -1 … -5: 4, 8, 16, 32, 64 KiB. */
  listMaxListpackSize: number
  /** list-compress-depth: nodes at each end that Redis leaves uncompressed; 0: all. */
  listCompressDepth: number
  /** stream-node-max-bytes; 0: no limit. */
  streamNodeMaxBytes: number
  /** stream-node-max-entries; 0: no limit. */
  streamNodeMaxEntries: number
}

export const DEFAULT_THRESHOLDS: EncodingThresholds = {
  hashMaxListpackEntries: 512,
  hashMaxListpackValue: 64,
  setMaxIntsetEntries: 512,
  zsetMaxListpackEntries: 128,
  zsetMaxListpackValue: 64,
  listMaxListpackSize: -2,
  listCompressDepth: 0,
  streamNodeMaxBytes: 4096,
  streamNodeMaxEntries: 100,
}
