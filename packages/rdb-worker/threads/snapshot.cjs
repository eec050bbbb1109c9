'use strict'
/** What the threads that save begin with: dist/snapshot-worker.js, by `import()`, as loader.cjs says. */
const worker = import('../dist/snapshot-worker.js')
// The task will hear.
worker.catch(() => {})

Object.defineProperty(exports, '__esModule', { value: true })
exports.default = async (task) => (await worker).default(task)
