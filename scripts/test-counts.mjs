/**
 * node scripts/test-counts.mjs <vitest's JSON report> <exit code of the test run>
 *
 * The last word of .ci/run: prints 'N passed, N failed' (', N skipped' when there are any) from the report, alone on a line, and
 * exits with 0 only if the run did, something passed and nothing failed.
 */
import { readFileSync } from 'node:fs'

const [path = '', code = '1'] = process.argv.slice(2)

/** @typedef {{ status: string, assertionResults: { status: string }[] }} FileResult */
/** @type {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number, testResults: FileResult[] }} */
let report
try {
  report = JSON.parse(readFileSync(path, 'utf8'))
} catch (error) {
  console.error(`the test run left no report: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(Number(code) || 1)
}

// A file that cannot be loaded, or whose hooks fail, counts as a failure though no test of it did.
const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
)
const failed = report.numFailedTests + brokenFiles.length
const skipped = report.numPendingTests + report.numTodoTests
console.log(`${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = Number(code) || (failed > 0 || report.numPassedTests === 0 ? 1 : 0)
