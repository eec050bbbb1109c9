/** Makes `dist/` of all packages, which is what applications, tests and benchmarks import. */
import { fileURLToPath } from 'node:url'
import { bundlePackages } from './bundle.mjs'
import { requireNode, runTool } from './run-tool.mjs'

/**
 * The compiler checks types and writes declarations; then what is run is bundled.
 *
 * @returns {Promise<number>} The exit code.
 */
export async function build() {
  requireNode()
  const checked = await runTool('tsc', ['-b'])
  if (checked === 0) await bundlePackages()
  return checked
}

if (fileURLToPath(import.meta.url) === process.argv[1]) process.exitCode = await build()
