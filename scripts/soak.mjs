/**
 * npx -y pnpm@12 soak [name]; `--help` tells all.
 *
 * Runs one of test/soak/*.soak.ts for the amount it states, or as told; lists them when no name is given. See
 * test/support/soak.ts for what a soak is.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Arguments } from './arguments.mjs'
import { build } from './build.mjs'
import { nodeBinary } from './node-binary.mjs'
import { findRedis, RedisMissingError, RELEASE_OPTION } from './redis-server.mjs'
import { fail, requireNode, ROOT, runTool } from './run-tool.mjs'

const DIRECTORY = join(ROOT, 'test/soak')
/** How a soak says what it is, in its source: a line, or the one behind. */
const ABOUT = /^  about:\s*(['"])(.*)\1,$/m

requireNode()
const names = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith('.soak.ts'))
  .map((file) => file.slice(0, -'.soak.ts'.length))
  .sort()
const args = new Arguments({
  name: 'soak',
  takes: '[name]',
  about: 'A test whose worth grows with the amount of work, for the amount it states or as told.',
  lists: 'Soaks, and what a round of each does',
  names: abouts,
  options: {
    seed: { value: 'N', about: 'what is drawn at random; printed, so that a run can be repeated' },
    count: { value: 'N', about: 'rounds' },
    for: { value: 'SECONDS', about: 'at most this long; it ends behind a round' },
    node: { value: 'VERSION', about: 'on another Node.js, as in 24' },
    release: RELEASE_OPTION,
    'no-build': { about: 'take dist/ as it is' },
  },
})
const [name, ...more] = args.positionals
if (name === undefined) {
  console.log('soaks (npx -y pnpm@12 soak --help tells what they do):')
  for (const each of names) console.log(`  ${each}`)
} else {
  if (!names.includes(name)) fail(`no soak '${name}'; there is: ${names.join(', ')}`)
  if (more.length > 0) fail(`one soak at a time, please: ${args.positionals.join(' ')}`)
  const seed = args.number('seed') ?? Math.floor(Math.random() * 2 ** 31)
  const count = args.number('count')
  const seconds = args.number('for')
  await findRedis({ log: console.log, release: args.text('release') }).catch((/** @type {unknown} */ error) => {
    if (error instanceof RedisMissingError) return fail(error.message)
    throw error
  })
  const nodeVersion = args.text('node')
  const node =
    nodeVersion === undefined
      ? process.execPath
      : await nodeBinary(nodeVersion, console.log).catch((/** @type {Error} */ error) => fail(error.message))
  if (!args.has('no-build')) {
    const built = await build()
    if (built !== 0) process.exit(built)
  }
  const again = [`soak ${name} --seed ${seed}`]
  if (count !== undefined) again.push(`--count ${count}`)
  if (seconds !== undefined) again.push(`--for ${seconds}`)
  if (nodeVersion !== undefined) again.push(`--node ${nodeVersion}`)
  console.log(again.join(' '))
  process.exitCode = await runTool('vitest', ['run', '--config', 'vitest.soak.config.ts'], {
    node,
    env: {
      UNDERSTUDY_SOAK: name,
      UNDERSTUDY_SOAK_SEED: String(seed),
      UNDERSTUDY_SOAK_COUNT: String(count ?? ''),
      UNDERSTUDY_SOAK_SECONDS: String(seconds ?? ''),
    },
  })
}

/** @returns {Record<string, string>} */
function abouts() {
  return Object.fromEntries(
    names.map((name) => {
      const source = readFileSync(join(DIRECTORY, `${name}.soak.ts`), 'utf8')
      return [name, ABOUT.exec(source)?.[2] ?? 'says nothing about itself']
    }),
  )
}
