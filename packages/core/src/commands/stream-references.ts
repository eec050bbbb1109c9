/**
 * KEEPREF, DELREF and ACKED: what becomes of the consumer groups' references to an entry that is to be deleted or trimmed.
 * Options of XADD, XTRIM, XDELEX and XACKDEL since Redis 8.2.
 *
 * Source: the documentation of XDELEX, XACKDEL and XADD.
 */
import type { StreamId } from '../encoding/stream-id.ts'
import { argIs } from './arguments.ts'
import type { CommandArgs, ReadContext } from './command.ts'
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

/**
 * Applies a policy to the entry of the open stream, at the key of argument 1, that is about to go. @returns false when the
 * entry has to stay.
 */
export function releaseEntry(context: ReadContext, policy: ReferencePolicy, id: StreamId): boolean {
  if (policy === ACKNOWLEDGED_ONLY) return !groups.isReferenced(id)
  if (policy === DELETE_REFERENCES) dropReferences(context, id)
  return true
}

/** Forgets the entry in all groups it is pending in: for replicas, which may not know policies, `XACK key group id`. */
export function dropReferences({ effects, args, db }: ReadContext, id: StreamId): void {
  groups.removeReferences(id, (group) => {
    if (effects === undefined) return
    const name = groups.groupName(group)
    effects.begin(db, 'XACK', 4)
    effects.argument(args, 1)
    effects.bytes(name.bytes, name.start, name.end)
    effects.id(id)
  })
}

/** The entry is gone, whatever the policy was: `XDEL key id`. */
export function tellDeleted({ effects, args, db }: ReadContext, id: StreamId): void {
  if (effects === undefined) return
  effects.begin(db, 'XDEL', 3)
  effects.argument(args, 1)
  effects.id(id)
}
