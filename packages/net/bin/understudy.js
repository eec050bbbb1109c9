#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'

// V8 does not collect, and compact, because a thread has become idle: that is some 10 ms in one piece, most often at the end of a full
// sync of a replica below. The server collects in steps when there is something to give back (server/collect-garbage.ts). Said before
// anything is loaded, since the first collection would already plan the next. And helpers are not waited for (bin/understudy).
setFlagsFromString('--no-memory-reducer')
setFlagsFromString('--no-parallel-scavenge')

// As "engines" of package.json says. An older one would stop at the first thing that it does not have, in words that help nobody.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Understudy needs Node 20.19 or newer; this is ${process.versions.node}\n`)
  process.exit(1)
}

const { main } = await import('../dist/main.js')

await main(process.argv.slice(2))
