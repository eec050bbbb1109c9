/** What every-reader.soak.ts writes and reads beside the values of reads-shapes.mjs, in all of its threads. */

/** `blob:<n>`: 'payload:SHA1 of it'. */
export const BLOBS = 2000
/** `huge`: a list of the numbers 0 … HUGE_SIZE - 1, rotated, or missing. */
export const HUGE_SIZE = 1_000_000
