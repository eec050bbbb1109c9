/**
 * One scenario after the other. A run takes an hour or more: what a scenario has measured is kept when a later one fails, and of one
 * that fails nothing is reported but the failure.
 */

/**
 * @typedef {object} Took
 * @property {string} name Of a scenario.
 * @property {number} seconds
 * @property {string} [failure] Why it has no rows.
 */

/** @typedef {{ rows: import('./row.mjs').RowResult[], took: Took[] }} Measured */
/** @typedef {(run: import('./run.mjs').Run) => Promise<import('./row.mjs').Row[]>} Scenario */

/**
 * @param {import('./run.mjs').Run} run
 * @param {Iterable<readonly [name: string, scenario: Scenario]>} scenarios
 * @param {Measured} measured Is added to as each ends, so that whoever is interrupted has what there is until then.
 */
export async function measureAll(run, scenarios, measured) {
  for (const [name, scenario] of scenarios) {
    const startedMs = performance.now()
    const seconds = () => (performance.now() - startedMs) / 1000
    try {
      const rows = (await scenario(run)).map((row) => row.result(run.seed))
      measured.rows.push(...rows)
      measured.took.push({ name, seconds: seconds() })
      run.log(`${name}: took ${seconds().toFixed(0)} s`)
    } catch (error) {
      const [failure = ''] = String(error instanceof Error ? error.message : error).split('\n')
      measured.took.push({ name, seconds: seconds(), failure })
      run.log(`${name}: FAILED: ${error instanceof Error ? error.stack : String(error)}`)
    } finally {
      // Those that a scenario leaves running would be beside the next one.
      await run.contenders.endAll()
    }
  }
}
