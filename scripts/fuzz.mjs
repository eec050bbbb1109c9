/**
 * npx -y pnpm@12 fuzz; `--help` tells all.
 *
 * The differential test of test/fuzz for as long as told, with a fresh seed when none is given. It ends at the first difference with the
 * shortest failing case.
 */
import { Arguments } from './arguments.mjs'
import { build } from './build.mjs'
import { findRedis, RedisMissingError, RELEASE_OPTION } from './redis-server.mjs'
import { fail, requireNode, runTool } from './run-tool.mjs'

const MINUTES = 30

requireNode()
const args = new Arguments({
  name: 'fuzz',
  about: 'Random commands over all types, compared with a redis-server and its replica.',
  options: {
    minutes: { value: 'N', about: `how long; ${MINUTES} when left out` },
    seed: { value: 'N', about: 'what is drawn at random; printed, so that a run can be repeated' },
    'keep-going': { about: 'show each kind of difference once, and go on' },
    coverage: { about: 'print how often each row and option was used' },
    only: {
      value: 'A,B',
      about: "rows of the command table ('SORT', 'OBJECT ENCODING') or families ('strings') to use",
    },
    without: { value: 'A,B', about: 'rows to leave out' },
    release: RELEASE_OPTION,
    'no-build': { about: 'take dist/ as it is' },
  },
})
const minutes = args.number('minutes') ?? MINUTES
const seed = args.number('seed') ?? Math.floor(Math.random() * 2 ** 31)
await findRedis({ log: console.log, release: args.text('release') }).catch((/** @type {unknown} */ error) => {
  if (error instanceof RedisMissingError) return fail(error.message)
  throw error
})
if (!args.has('no-build')) {
  const built = await build()
  if (built !== 0) process.exit(built)
}
console.log(`fuzz --minutes ${minutes} --seed ${seed}`)
process.exitCode = await runTool('vitest', ['run', '--config', 'vitest.soak.config.ts'], {
  env: {
    UNDERSTUDY_SOAK: 'fuzz',
    UNDERSTUDY_SOAK_SEED: String(seed),
    UNDERSTUDY_SOAK_COUNT: '',
    UNDERSTUDY_SOAK_SECONDS: String(minutes * 60),
    UNDERSTUDY_FUZZ_KEEP_GOING: args.has('keep-going') ? '1' : '',
    UNDERSTUDY_FUZZ_COVERAGE: args.has('coverage') ? '1' : '',
    UNDERSTUDY_FUZZ_ONLY: args.text('only') ?? '',
    UNDERSTUDY_FUZZ_WITHOUT: args.text('without') ?? '',
  },
})
