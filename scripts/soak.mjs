/**
 * npx -y pnpm@12 soak [name] [--seed N] [--count N] [--for SECONDS] [--node VERSION]
 *
 * Runs one of test/soak/*.soak.ts for the amount it states, or as told; lists them when no name is given. See
 * test/support/soak.ts for what a soak is. `--no-build` takes dist/ as it is, `--node 24` another Node.js, as for the tests.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { nodeBinary } from './node-binary.mjs'
import { findRedis, RedisMissingError } from './redis-server.mjs'
import { fail, requireNode, ROOT, runTool } from './run-tool.mjs'

requireNode()
const { values, positionals } = readArguments()
const names = readdirSync(join(ROOT, 'test/soak'))
  .filter((file) => file.endsWith('.soak.ts'))
  .map((file) => file.slice(0, -'.soak.ts'.length))
  .sort()

const [name, ...more] = positionals
if (name === undefined) {
  console.log(`soaks (npx -y pnpm@12 soak <name> [--seed N] [--count N] [--for SECONDS]):`)
  for (const each of names) console.log(`  ${each}`)
} else {
  if (!names.includes(name)) fail(`no soak '${name}'; there is: ${names.join(', ')}`)
  if (more.length > 0) fail(`one soak at a time, please: ${positionals.join(' ')}`)
  const seed = number('seed', values.seed) ?? Math.floor(Math.random() * 2 ** 31)
  const count = number('count', values.count)
  const seconds = number('for', values.for)
  await findRedis({ log: console.log }).catch((/** @type {unknown} */ error) => {
    if (error instanceof RedisMissingError) return fail(error.message)
    throw error
  })
  const node =
    values.node === undefined
      ? process.execPath
      : await nodeBinary(values.node, console.log).catch((/** @type {Error} */ error) => fail(error.message))
  if (!values['no-build']) {
    const built = await runTool('tsc', ['-b'])
    if (built !== 0) process.exit(built)
  }
  const again = [`soak ${name} --seed ${seed}`]
  if (count !== undefined) again.push(`--count ${count}`)
  if (seconds !== undefined) again.push(`--for ${seconds}`)
  if (values.node !== undefined) again.push(`--node ${values.node}`)
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

function readArguments() {
  try {
    return parseArgs({
      args: process.argv.slice(2).filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: {
        seed: { type: 'string' },
        count: { type: 'string' },
        for: { type: 'string' },
        node: { type: 'string' },
        'no-build': { type: 'boolean' },
      },
    })
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
