import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tests of what clients see, which have to pass with I/O threads as they do without. */
const CLIENT_TESTS = [
  'test/net/server/{blocking,config-effects,messages,notifications,transactions}.test.ts',
  'test/net/clients/tools.test.ts',
  'test/e2e/{client-modes,clients,pause,serving}.test.ts',
]
/** Tests of functions and classes. */
const UNIT_TESTS = [
  'test/core/**/*.test.ts',
  'test/rdb-worker/scan/*.test.ts',
  'test/net/{cli,config,log,replicas}/*.test.ts',
]
/** Tests of memory whose segments have their whole length from the beginning (core/src/memory/huge-pages.ts). */
const HUGE_PAGES_TESTS = [
  'test/core/memory/arena.test.ts',
  'test/core/keyspace/{compaction,keyspace-model}.test.ts',
  'test/core/values/*.test.ts',
]
/** As the launcher of the executable sets it (packages/net/bin/understudy). */
const WITH_HUGE_PAGES = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }
const MEMORY_TESTS = 'test/**/*.memory.test.ts'
/** A load that takes both cores, and demands that nobody waits for long. */
const LOAD_TESTS = 'test/soak/every-reader.test.ts'

/**
 * Tests import the packages by name, so they run the built output in dist/: what is tested is what is shipped. What measures runs
 * after the others, one file at a time; memory tests may collect garbage. Where it says `isolate: false` a worker runs one file after the
 * other: these leave nothing behind in their process.
 */
const config: ViteUserConfig = defineConfig({
  test: {
    pool: 'forks',
    // As applications import them, not through vitest's own loader.
    server: { deps: { external: [/\/packages\/[^/]+\/dist\//] } },
    // Many tests wait for a server most of the time, and two of them leave a third of two cores idle.
    maxWorkers: availableParallelism() + 1,
    // Guards against what hangs, on a slow or busy machine as well: no test is about them.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      // Of one group vitest takes the projects in order of their names.
      {
        extends: true,
        test: {
          name: 'io-threads',
          include: CLIENT_TESTS,
          env: { UNDERSTUDY_TEST_IO_THREADS: '2', ...WITH_HUGE_PAGES },
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'huge-pages',
          include: HUGE_PAGES_TESTS,
          exclude: [MEMORY_TESTS],
          env: WITH_HUGE_PAGES,
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'suite',
          include: ['test/**/*.test.ts'],
          exclude: [...UNIT_TESTS, MEMORY_TESTS, LOAD_TESTS],
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'unit',
          include: UNIT_TESTS,
          exclude: [MEMORY_TESTS],
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'memory',
          include: [MEMORY_TESTS],
          execArgv: ['--expose-gc'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'load', include: [LOAD_TESTS], fileParallelism: false, sequence: { groupOrder: 2 } },
      },
    ],
  },
})
export default config
