/** Starts the demo's two servers on free ports of 127.0.0.1, each in a new folder that is removed with it. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../free-port.mjs'
import { ROOT } from '../run-tool.mjs'
import { ServerProcess } from '../server-process.mjs'

const READY = /Ready to accept connections/
const PORT_TAKEN = /Address already in use|Failed listening on port/
const PORT_TRIES = 5

const UNDERSTUDY = join(ROOT, 'packages/net/bin/understudy')
const OF_PRIMARY = {
  save: '',
  appendonly: 'no',
  'enable-debug-command': 'local',
  // Nobody else is to come: the snapshot begins at once.
  'repl-diskless-sync-delay': '0',
  // Long enough for somebody to stop Understudy with ^Z, bring it back and see a partial resync.
  'repl-backlog-size': '64mb',
}

/**
 * @param {string} server Path of redis-server.
 */
export function startRedisPrimary(server) {
  return start('redis-server', server, OF_PRIMARY)
}

/**
 * @param {string} node The Node.js to run it with.
 */
export function startUnderstudyPrimary(node) {
  return start('understudy, the primary,', UNDERSTUDY, OF_PRIMARY, { UNDERSTUDY_NODE: node })
}

/**
 * @param {string} node The Node.js to run it with.
 * @param {number} primaryPort
 */
export function startUnderstudy(node, primaryPort) {
  const directives = { replicaof: `127.0.0.1 ${primaryPort}`, save: '', 'enable-debug-command': 'local' }
  return start('understudy', UNDERSTUDY, directives, { UNDERSTUDY_NODE: node })
}

/**
 * @param {string} name
 * @param {string} command
 * @param {Record<string, string>} directives
 * @param {Record<string, string>} [env]
 */
async function start(name, command, directives, env = {}) {
  for (let tries = 1; ; tries++) {
    const port = await freePort()
    const directory = await mkdtemp(join(tmpdir(), 'understudy-demo-'))
    const all = { port: String(port), bind: '127.0.0.1', dir: directory, ...directives }
    const args = Object.entries(all).flatMap(([directive, value]) => [
      `--${directive}`,
      ...(value === '' ? [''] : value.split(' ')),
    ])
    try {
      const process = await ServerProcess.start({
        name: `${name} on port ${port}`,
        command,
        args,
        env: { ...globalThis.process.env, ...env },
        ready: READY,
        ownedDirectory: directory,
        // ^C is for the demo, which compares the data before it ends the servers.
        ownGroup: true,
      })
      return { process, port }
    } catch (error) {
      if (tries >= PORT_TRIES || !PORT_TAKEN.test(String(error))) throw error
    }
  }
}
