/**
 * A B, B A, A B …: who comes second finds the memory that the other has just given back, and a machine that warms up or
 * cools down favours one place.
 *
 * @template T
 * @param {readonly T[]} compared
 * @param {number} pair
 * @returns {readonly T[]}
 */
export function inTurn(compared, pair) {
  return pair % 2 === 0 ? compared : compared.toReversed()
}
