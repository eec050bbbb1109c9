/** All grammars. A family's commands are used as soon as the product's command table has rows for them. */
import type { Grammar } from '../grammar.ts'
import { bitmapGrammar } from './bitmaps.ts'
import { expiryGrammar, genericGrammar, restoreGrammar } from './generic.ts'
import { geoGrammar } from './geo.ts'
import { hashGrammar } from './hashes.ts'
import { hyperloglogGrammar } from './hyperloglogs.ts'
import { listGrammar } from './lists.ts'
import { setGrammar } from './sets.ts'
import { sortedSetGrammar } from './sorted-sets.ts'
import { streamGrammar } from './streams.ts'
import { stringGrammar } from './strings.ts'

/** @param payloads Of DUMP, for RESTORE. */
export function allGrammars(payloads: readonly Buffer[]): readonly Grammar[] {
  return [
    stringGrammar,
    bitmapGrammar,
    hyperloglogGrammar,
    genericGrammar,
    expiryGrammar,
    ...(payloads.length === 0 ? [] : [restoreGrammar(payloads)]),
    hashGrammar,
    setGrammar,
    sortedSetGrammar,
    geoGrammar,
    listGrammar,
    streamGrammar,
  ]
}
