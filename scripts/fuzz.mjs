/**
 * npx -y pnpm@12 fuzz [--minutes N] [--seed N] [--keep-going] [--coverage] [--only A,B] [--without A,B] [--no-build]
 *
 * The differential test of test/fuzz for as long as told (30 minutes when not), with a fresh seed when none is given. It
 * ends at the first difference with the shortest failing case; with --keep-going it shows each kind of difference once.
 * --only and --without take rows of the command table ('SORT', 'OBJECT ENCODING'), --only also families of grammars
 * ('strings'). --coverage prints how often each row and option was used.
 */
import { parseArgs } from 'node:util'
import { findRedis, RedisMissingError } from './redis-server.mjs'
import { fail, requireNode, runTool } from './run-tool.mjs'

const MINUTES = 30

requireNode()
const values = readArguments()
const minutes = number('minutes', values.minutes) ?? MINUTES
const seed = number('seed', values.seed) ?? Math.floor(Math.random() * 2 ** 31)
await findRedis({ log: console.log }).catch((/** @type {unknown} */ error) => {
  if (error instanceof RedisMissingError) return fail(error.message)
  throw error
})
if (!values['no-build']) {
  const built = await runTool('tsc', ['-b'])
  if (built !== 0) process.exit(built)
}
console.log(`fuzz --minutes ${minutes} --seed ${seed}`)
process.exitCode = await runTool('vitest', ['run', '--config', 'vitest.soak.config.ts'], {
  env: {
    UNDERSTUDY_SOAK: 'fuzz',
    UNDERSTUDY_SOAK_SEED: String(seed),
    UNDERSTUDY_SOAK_COUNT: '',
    UNDERSTUDY_SOAK_SECONDS: String(minutes * 60),
    UNDERSTUDY_FUZZ_KEEP_GOING: values['keep-going'] ? '1' : '',
    UNDERSTUDY_FUZZ_COVERAGE: values.coverage ? '1' : '',
    UNDERSTUDY_FUZZ_ONLY: values.only ?? '',
    UNDERSTUDY_FUZZ_WITHOUT: values.without ?? '',
  },
})

function readArguments() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((arg) => arg !== '--'),
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string' },
        'keep-going': { type: 'boolean' },
        coverage: { type: 'boolean' },
        only: { type: 'string' },
        without: { type: 'string' },
        'no-build': { type: 'boolean' },
      },
    }).values
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

/**
 * @param {string} option
 * @param {string | undefined} text
 */
function number(option, text) {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0)) fail(`--${option} wants a number of at least 0, not '${text}'`)
  return value
}
