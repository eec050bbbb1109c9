/**
 * Makes what `dist/` of a package holds: its doors and the files that threads and processes start from, one module each, and beside
 * them modules that several of these share. Some hundred modules read one by one take a thread longer to start than all else it does,
 * and V8 makes better code of functions and constants that it need not look up in another module.
 *
 * The compiler has checked the types and written the declarations.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT } from './run-tool.mjs'

const PACKAGES = ['core', 'rdb-worker', 'net']

/** Started by their names, and imported nowhere: by threads and processes, and by the executable. Beside the doors, in src/. */
const STARTED = /^main\.ts$|-worker\.ts$/

/** @throws with the place of what it cannot bundle */
export async function bundlePackages() {
  // Not before somebody bundles: it cannot even be read by a Node that is too old for us, which is to be told so.
  const { rolldown } = await import('rolldown')
  for (const name of PACKAGES) {
    const directory = join(ROOT, 'packages', name)
    const bundle = await rolldown({
      input: entriesOf(directory),
      platform: 'node',
      // Other packages, also ours: of each there is one in a process.
      external: /^[^./]/,
      transform: { target: 'es2023' },
    })
    await bundle.write({
      dir: join(directory, 'dist'),
      format: 'esm',
      sourcemap: true,
      entryFileNames: '[name].js',
      chunkFileNames: 'shared-[name].js',
      comments: false,
    })
    await bundle.close()
  }
}

/**
 * Names of the output, all in one folder, and the file that each is made from.
 *
 * @param {string} directory
 * @returns {Record<string, string>}
 */
function entriesOf(directory) {
  const source = join(directory, 'src')
  /** @type {{ exports: Record<string, { default: string }> }} */
  const { exports } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const doors = Object.values(exports).map((door) => `${basename(door.default, '.js')}.ts`)
  const started = readdirSync(source).filter((file) => STARTED.test(file))
  return Object.fromEntries([...doors, ...started].map((file) => [basename(file, '.ts'), join(source, file)]))
}
