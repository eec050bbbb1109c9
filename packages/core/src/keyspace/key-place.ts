/** Where the last lookup looked, found or not: what changes of the same key need, without hashing it again. Registers. */
export class KeyPlace {
  shard = 0
  order = 0
  tag = 0
  /** Word index of the table's root in the control block. */
  root = 0
}
