/**
 * npx -y pnpm@12 test [vitest's arguments …]; `--help` tells all.
 *
 * Everything the tests need, from a fresh clone: a redis-server, the built packages, and on request another Node.js (from the npm
 * registry, for the whole suite and its child processes).
 */
import { printHelpIfAsked } from './arguments.mjs'
import { build } from './build.mjs'
import { nodeBinary } from './node-binary.mjs'
import { findRedis, isReferenceRelease, RedisMissingError, RELEASE_OPTION } from './redis-server.mjs'
import { fail, requireNode, runTool } from './run-tool.mjs'

/** @type {import('./arguments.mjs').Command} */
const COMMAND = {
  name: 'test',
  takes: '[part of a path ...]',
  about:
    'All tests, or those in files whose path has a part of it. Other options go to vitest: npx vitest --help lists them.',
  options: {
    node: { value: 'VERSION', about: 'the whole suite on another Node.js, as in 24' },
    release: RELEASE_OPTION,
  },
}

requireNode()
printHelpIfAsked(COMMAND, process.argv.slice(2))
const { nodeVersion, release, vitestArgs } = readArguments(process.argv.slice(2))

const redis = await findRedis({ log: console.log, release }).catch((/** @type {unknown} */ error) => {
  if (error instanceof RedisMissingError) return fail(error.message)
  throw error
})
const node =
  nodeVersion === undefined
    ? process.execPath
    : await nodeBinary(nodeVersion, console.log).catch((/** @type {Error} */ error) => fail(error.message))

const built = await build()
if (built !== 0) process.exit(built)
console.log(`Node ${nodeVersion ?? process.versions.node}, ${redis.product} ${redis.version} (from ${redis.source})`)
if (!isReferenceRelease(redis)) {
  console.log(
    'Replies are those of redis 7.0: tests that compare them with a redis-server are skipped with another release.',
  )
}
process.exitCode = await runTool('vitest', ['run', ...vitestArgs], {
  node,
  env: nodeVersion === undefined ? {} : { UNDERSTUDY_TEST_NODE: nodeVersion },
})

/** @param {string[]} args */
function readArguments(args) {
  /** @type {Record<'node' | 'release', string | undefined>} */
  const own = { node: undefined, release: undefined }
  const wants = { node: 'a version, as in --node 24', release: 'a name, as in --release redis-8' }
  const vitestArgs = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ''
    if (arg === '--') continue
    const [, name, value] = /^--(node|release)(?:=(.*))?$/.exec(arg) ?? []
    if (name === 'node' || name === 'release') own[name] = value ?? args[++i] ?? fail(`--${name} wants ${wants[name]}`)
    else vitestArgs.push(arg)
  }
  return { nodeVersion: own.node, release: own.release, vitestArgs }
}
