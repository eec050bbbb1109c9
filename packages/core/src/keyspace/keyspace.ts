/** Placeholder while the keyspace is being written. */
export class Keyspace {}
