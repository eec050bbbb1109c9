/** What every scenario of one run of the benchmark shares, and how large things are. */

/**
 * @typedef {object} Sizes
 * @property {number} streamCommands
 * @property {number} mixedCommands
 * @property {import('./mixed-dataset.mjs').MixedSizes} mixedStreamKeys
 * @property {import('./mixed-dataset.mjs').MixedSizes} mixedMemoryKeys
 * @property {number} holdElements Of a collection that is grown, loaded and deleted while somebody pings.
 * @property {number} holdStringBytes The same of a string.
 * @property {number} loadKeys
 * @property {import('./mixed-dataset.mjs').MixedSizes} belowKeys Of the mixed dataset that a replica below is given.
 * @property {number} belowWrites Commands a second meanwhile.
 * @property {readonly number[]} loadSizes Keys of the sub-table of loads …
 * @property {readonly number[]} loadThreads … and its threads.
 * @property {number} digestKeysMax DEBUG DIGEST is left out for more: it takes longer than everything else.
 * @property {number} settleMs Between the end of a load and the look at the memory.
 * @property {number} resyncSettleMs The same after a full sync.
 * @property {number} getKeys
 * @property {[pipeline: number, requests: number][]} getRequests
 * @property {number} churnKeys
 * @property {number} churnOverwrites
 * @property {number} churnOverwrittenKeys
 * @property {number} [churnIgnoreBytes] active-defrag-ignore-bytes of both servers; default: theirs.
 * @property {number} getMixedKeys Strings, and as many hashes, sorted sets, lists and sets.
 * @property {number} getMixedRequests Of each command.
 * @property {number} commandMs Of one turn with one command.
 * @property {boolean} ioThreads Both servers also with io-threads.
 * @property {number[]} readKeys Sizes of the dataset that is read inside of the process.
 * @property {number} readMs Of one round of such reads.
 * @property {number} microSeconds For each function.
 */

/**
 * @typedef {object} Run
 * @property {import('./contenders.mjs').Contenders} contenders
 * @property {readonly import('./contenders.mjs').ContenderName[]} order Who is measured in each pair, in this order.
 * @property {number} pairs
 * @property {number} seed
 * @property {Sizes} sizes
 * @property {import('../../scripts/redis-server.mjs').RedisBinaries} redis The server that is compared with, and its tools.
 * @property {string} [only] Of `commands`: those with this in them.
 * @property {boolean} isProfiled Understudy alone, under the profiler: nothing is compared.
 * @property {(line: string) => void} log
 */

/** @type {Sizes} */
export const FULL = {
  streamCommands: 3_000_000,
  mixedCommands: 3_000_000,
  mixedStreamKeys: {
    strings: 200_000,
    counters: 100_000,
    hashes: 100_000,
    zsets: 50_000,
    lists: 50_000,
    sets: 50_000,
    streams: 0,
    largeElements: 100_000,
  },
  mixedMemoryKeys: {
    strings: 1_000_000,
    counters: 0,
    hashes: 200_000,
    zsets: 100_000,
    lists: 100_000,
    sets: 100_000,
    streams: 20_000,
    largeElements: 100_000,
  },
  holdElements: 5_000_000,
  holdStringBytes: 512 * 1024 * 1024,
  loadKeys: 5_000_000,
  belowKeys: {
    strings: 1_000_000,
    counters: 100_000,
    hashes: 200_000,
    zsets: 100_000,
    lists: 100_000,
    sets: 100_000,
    streams: 20_000,
    largeElements: 100_000,
  },
  belowWrites: 50_000,
  loadSizes: [1_000_000, 5_000_000, 20_000_000],
  loadThreads: [1, 2, 4],
  digestKeysMax: 1_000_000_000,
  settleMs: 10_000,
  resyncSettleMs: 120_000,
  getKeys: 1_000_000,
  getRequests: [
    [1, 1_000_000],
    [16, 8_000_000],
    [64, 12_000_000],
  ],
  churnKeys: 10_000_000,
  churnOverwrites: 20_000_000,
  churnOverwrittenKeys: 1_000_000,
  getMixedKeys: 10_000,
  getMixedRequests: 2_000_000,
  commandMs: 400,
  ioThreads: true,
  readKeys: [1_000_000, 10_000_000],
  readMs: 2000,
  microSeconds: 5,
}

/** Enough to see whether everything works and where it roughly stands; the numbers are no results. @type {Sizes} */
export const QUICK = {
  streamCommands: 500_000,
  mixedCommands: 600_000,
  mixedStreamKeys: {
    strings: 60_000,
    counters: 30_000,
    hashes: 30_000,
    zsets: 15_000,
    lists: 15_000,
    sets: 15_000,
    streams: 0,
    largeElements: 30_000,
  },
  mixedMemoryKeys: {
    strings: 100_000,
    counters: 0,
    hashes: 20_000,
    zsets: 10_000,
    lists: 10_000,
    sets: 10_000,
    streams: 2000,
    largeElements: 10_000,
  },
  holdElements: 300_000,
  holdStringBytes: 64 * 1024 * 1024,
  loadKeys: 1_000_000,
  belowKeys: {
    strings: 100_000,
    counters: 10_000,
    hashes: 20_000,
    zsets: 10_000,
    lists: 10_000,
    sets: 10_000,
    streams: 2000,
    largeElements: 10_000,
  },
  belowWrites: 50_000,
  loadSizes: [200_000, 1_000_000],
  loadThreads: [1, 2, 4],
  digestKeysMax: 500_000,
  settleMs: 2000,
  resyncSettleMs: 4000,
  getKeys: 200_000,
  getRequests: [
    [1, 60_000],
    [16, 600_000],
    [64, 1_000_000],
  ],
  churnKeys: 500_000,
  churnOverwrites: 1_000_000,
  churnOverwrittenKeys: 50_000,
  churnIgnoreBytes: 1 << 20,
  getMixedKeys: 1000,
  getMixedRequests: 200_000,
  commandMs: 50,
  ioThreads: true,
  readKeys: [200_000],
  readMs: 200,
  microSeconds: 0.5,
}

export const FULL_PAIRS = 5
export const QUICK_PAIRS = 2
