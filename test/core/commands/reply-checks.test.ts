/** What a node refuses in which state, for those who answer without asking `refusal()` each time. */
import {
  CommandRegistry,
  idleNodeState,
  mayRefuse,
  type NodeState,
  READONLY,
  refusal,
  refusesReads,
  type RequesterState,
  stringCommands,
  WRITE,
} from '@understudy/core/internal'
import { expect, it } from 'vitest'

const registry = new CommandRegistry([stringCommands])
const entries = registry.byId.filter(({ flags }) => (flags & (READONLY | WRITE)) !== 0)
const client: RequesterState = {
  authRequired: false,
  inMulti: false,
  subscriberOnly: false,
  replicaClient: false,
  protectedAllowed: true,
  queuedFlags: 0,
  queuedLacks: 0,
}

/** Every combination, but of loading in two ways at once, which is none. */
function* states(): Generator<NodeState> {
  const idle = idleNodeState()
  const fields = Object.keys(idle) as (keyof NodeState)[]
  for (let bits = 0; bits < 1 << fields.length; bits++) {
    const node = Object.fromEntries(
      fields.map((field, i) => {
        const isSet = ((bits >> i) & 1) === 1
        return [field, typeof idle[field] === 'string' ? (isSet ? 'a fault' : '') : isSet]
      }),
    ) as unknown as NodeState
    if (!node.loading || !node.asyncLoading) yield node
  }
}

it('reads are refused exactly when refusesReads() says so, and not while another dataset is loaded or writes are refused', () => {
  const reads = entries.filter(({ flags }) => (flags & READONLY) !== 0)
  expect(reads.length).toBeGreaterThan(5)
  for (const node of states()) {
    for (const entry of reads) expect(refusal(entry, node, client) !== undefined).toBe(refusesReads(node))
  }
  expect(refusesReads({ ...idleNodeState(), replica: true, linkUp: false, asyncLoading: true })).toBe(false)
  expect(refusesReads({ ...idleNodeState(), cannotSave: true, tooFewReplicas: true })).toBe(false)
})

it('nothing but writes is refused where mayRefuse() says so', () => {
  for (const node of states()) {
    if (mayRefuse(node)) continue
    const refused = entries.filter((entry) => refusal(entry, node, client) !== undefined)
    expect(refused.filter(({ flags }) => (flags & WRITE) === 0)).toEqual([])
  }
})
