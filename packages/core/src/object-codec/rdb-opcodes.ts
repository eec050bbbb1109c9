/** Opcodes of a snapshot: the bytes that stand where a value type could. Numbers and names as in redis 7.4 rdb.h. */

export const RDB_OPCODE_SLOT_INFO = 244
export const RDB_OPCODE_FUNCTION2 = 245
export const RDB_OPCODE_FUNCTION_PRE_GA = 246
export const RDB_OPCODE_MODULE_AUX = 247
export const RDB_OPCODE_IDLE = 248
export const RDB_OPCODE_FREQ = 249
export const RDB_OPCODE_AUX = 250
export const RDB_OPCODE_RESIZEDB = 251
export const RDB_OPCODE_EXPIRETIME_MS = 252
export const RDB_OPCODE_EXPIRETIME = 253
export const RDB_OPCODE_SELECTDB = 254
export const RDB_OPCODE_EOF = 255

// Below these the families use the numbers differently.
/** Redis 8.10: hash templates, which values of types 30 and 32 refer to. */
export const REDIS_OPCODE_HASH_TEMPLATES = 242
/** Redis 8.6: what modules have attached to the next key. */
export const REDIS_OPCODE_KEY_META = 243
/** Valkey 9.2: a command that came while the snapshot was taken without a fork. */
export const VALKEY_OPCODE_UPDATE = 242
/** Valkey 9: a slot import was under way. */
export const VALKEY_OPCODE_SLOT_IMPORT = 243

/** Bytes from here on are opcodes, whether known or not; below are value types. */
export const RDB_OPCODE_FIRST = 240

/** Bytes of the magic and version: REDIS0012, VALKEY080. */
export const RDB_HEADER_BYTES = 9
/** From this version on a checksum follows the EOF opcode. */
export const RDB_CHECKSUM_SINCE_VERSION = 5
export const RDB_CHECKSUM_BYTES = 8
