/**
 * KEEPREF, DELREF and ACKED: what becomes of the consumer groups' references to an entry that is to be deleted or trimmed.
 * Options of XADD, XTRIM, XDELEX and XACKDEL since Redis 8.2.
 *
 * Source: the documentation of XDELEX, XACKDEL and XADD.
 */
import type { StreamId } from '../encoding/stream-id.ts'
import { argIs } from './arguments.ts'
import type { CommandArgs } from './command.ts'
import { groups } from './stream-access.ts'

/** An entry goes, and stays pending where it is pending. The default. */
export const KEEP_REFERENCES = 0
/** An entry goes from what is pending in all groups, too. */
export const DELETE_REFERENCES = 1
/** An entry stays until every group has delivered it and has it acknowledged. */
const ACKNOWLEDGED_ONLY = 2

export type ReferencePolicy = typeof KEEP_REFERENCES | typeof DELETE_REFERENCES | typeof ACKNOWLEDGED_ONLY

/** The policy that argument `index` names, undefined when it is another word. */
export function referencePolicy(args: CommandArgs, index: number): ReferencePolicy | undefined {
  if (argIs(args, index, 'KEEPREF')) return KEEP_REFERENCES
  if (argIs(args, index, 'DELREF')) return DELETE_REFERENCES
  return argIs(args, index, 'ACKED') ? ACKNOWLEDGED_ONLY : undefined
}

/** Applies a policy to the entry of the open stream that is about to go. @returns false when the entry has to stay. */
export function releaseEntry(policy: ReferencePolicy, id: StreamId): boolean {
  if (policy === ACKNOWLEDGED_ONLY) return !groups.isReferenced(id)
  if (policy === DELETE_REFERENCES) groups.removeReferences(id)
  return true
}
