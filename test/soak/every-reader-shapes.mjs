/** What every-reader.soak.ts writes and reads beside the values of reads-shapes.mjs, in all of its threads. */

import { SHAPES } from './reads-shapes.mjs'

/** Of what there is to read. */
export const KINDS = [...SHAPES.map((shape) => shape.kind), 'blob', 'conversion', 'fill', 'huge']
/** `blob:<n>`: 'payload:SHA1 of it'. */
export const BLOBS = 2000
/** `huge`: a list of the numbers 0 … HUGE_SIZE - 1, rotated, or missing. */
export const HUGE_SIZE = 1_000_000
