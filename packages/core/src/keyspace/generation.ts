/** Placeholder while the keyspace is being written. */
export interface GenerationTransfer {
  readonly kind: 'generation'
}
