/** RDB files and transfers in worker threads. */
export const RDB_VERSION_MAX = 12
