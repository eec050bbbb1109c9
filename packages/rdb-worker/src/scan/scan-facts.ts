/** What the scanner keeps of a snapshot beside its keys, with a bound for each: the bytes are a peer's. */
import type { RdbFamily, RdbSummary } from '@understudy/core/loading'

/** Names and values of AUX fields together: Redis before 7.0 keeps scripts in them. */
const AUX_BYTES_MAX: number = 64 << 20
const AUX_COUNT_MAX = 100_000
/** Sources of function libraries together. */
const FUNCTION_BYTES_MAX: number = 256 << 20
/** What one costs beside its source. */
const FUNCTION_COST_BYTES = 64
/** Databases whose announcement is kept; those beyond are not compared. */
const ANNOUNCED_MAX = 10_000
/** Modules counted by name; those beyond are counted together. */
const MODULE_NAMES_MAX = 1000

export class ScanFacts {
  family: RdbFamily = 'redis'
  version = 0
  checksumVerified = false
  emptyKeysDropped = 0
  moduleAuxSkipped = 0
  keyMetaSkipped = 0
  readonly keysByType: Float64Array = new Float64Array(256)
  readonly #aux: [name: string, value: string][] = []
  #auxBytes = 0
  #auxName = ''
  readonly #functions: Uint8Array[] = []
  #functionBytes = 0
  readonly #announced = new Map<number, number>()
  readonly #modules = new Map<string, number>()

  /** RESIZEDB. The last one of a database counts. */
  announced(db: number, keys: number): void {
    if (this.#announced.size < ANNOUNCED_MAX) this.#announced.set(db, keys)
  }

  auxName(name: Uint8Array): void {
    this.#auxName = new TextDecoder().decode(name)
    this.#auxBytes += name.length
  }

  /** @returns false if there are too many. */
  auxValue(value: Uint8Array): boolean {
    this.#auxBytes += value.length
    if (this.#aux.length >= AUX_COUNT_MAX) return false
    this.#aux.push([this.#auxName, new TextDecoder().decode(value)])
    return true
  }

  /** Keeps `source`. */
  functionLibrary(source: Uint8Array): void {
    this.#functionBytes += source.length + FUNCTION_COST_BYTES
    this.#functions.push(source)
  }

  /** How long the next name or value of an AUX field may be. */
  get auxBytesLeft(): number {
    return AUX_BYTES_MAX - this.#auxBytes
  }

  /** How long the next function library may be; negative: there may be none. */
  get functionBytesLeft(): number {
    return FUNCTION_BYTES_MAX - this.#functionBytes - FUNCTION_COST_BYTES
  }

  moduleSkipped(idHi: number, idLo: number): void {
    let name = moduleName(idHi, idLo)
    if (!this.#modules.has(name) && this.#modules.size >= MODULE_NAMES_MAX) name = 'others'
    this.#modules.set(name, (this.#modules.get(name) ?? 0) + 1)
  }

  summary(byteCount: number): RdbSummary {
    const keysByType: Record<number, number> = {}
    for (const [type, count] of this.keysByType.entries()) if (count > 0) keysByType[type] = count
    return {
      family: this.family,
      version: this.version,
      aux: this.#aux,
      functions: this.#functions,
      keysByType,
      announcedKeys: [...this.#announced],
      skippedModules: Object.fromEntries(this.#modules),
      emptyKeysDropped: this.emptyKeysDropped,
      skippedModuleAux: this.moduleAuxSkipped,
      skippedKeyMeta: this.keyMetaSkipped,
      checksumVerified: this.checksumVerified,
      byteCount,
    }
  }
}

const MODULE_NAME_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Nine characters of 6 bits, most significant first; the 10 bits below them are a version (redis 7.0 module.c). */
function moduleName(idHi: number, idLo: number): string {
  const id = (BigInt(idHi >>> 0) << 32n) | BigInt(idLo >>> 0)
  let name = ''
  for (let shift = 58n; shift >= 10n; shift -= 6n) name += MODULE_NAME_CHARACTERS[Number((id >> shift) & 63n)]
  return name
}
