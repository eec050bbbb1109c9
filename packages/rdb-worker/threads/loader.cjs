'use strict'
/**
 * What the pool's threads begin with: dist/loader-worker.js, by `import()`.
 *
 * Piscina would `require` that module, and Node 20 ends the whole process when a thread is ended in the middle of it, as at a shutdown while
 * a load begins ("v8::Module::IsGraphAsync must be used on an instantiated module").
 */
const worker = import('../dist/loader-worker.js')
// Each task that needs it will hear.
worker.catch(() => {})

Object.defineProperty(exports, '__esModule', { value: true })
exports.default = async (task) => (await worker).default(task)
exports.insert = async (task) => (await worker).insert(task)
exports.prepare = async () => (await worker).prepare()
