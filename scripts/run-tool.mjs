/** Runs the project's own tools (tsc, vitest) with a chosen node, showing their output. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the entry scripts of our tools are, from the project's root. */
const TOOLS = { tsc: 'node_modules/typescript/bin/tsc', vitest: 'node_modules/vitest/vitest.mjs' }

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/**
 * @param {keyof typeof TOOLS} tool
 * @param {string[]} args
 * @param {object} [options]
 * @param {string} [options.node] Default: the running one. It also comes first in PATH.
 * @param {NodeJS.ProcessEnv} [options.env] Added to ours.
 * @returns {Promise<number>} The exit code, 1 when a signal ended it.
 */
export async function runTool(tool, args, { node = process.execPath, env = {} } = {}) {
  const child = spawn(node, [`${ROOT}/${TOOLS[tool]}`, ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env, PATH: `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}` },
  })
  // The terminal sends ^C to the child too: it ends in its own way, and we after it.
  const ignore = () => {}
  /** @param {NodeJS.Signals} signal */
  const passOn = (signal) => child.kill(signal)
  process.on('SIGINT', ignore).on('SIGTERM', passOn)
  const [code] = await once(child, 'exit')
  process.off('SIGINT', ignore).off('SIGTERM', passOn)
  return code ?? 1
}

/** The floor in package.json's "engines". */
const OLDEST_NODE = [20, 19]

/** Ends the process with one line if this Node is too old for us. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  fail(`Node ${OLDEST_NODE.join('.')} or newer is needed; this is ${process.versions.node}`)
}

/**
 * One line, exit code 1.
 *
 * @param {string} line
 * @returns {never}
 */
export function fail(line) {
  console.error(line)
  process.exit(1)
}
