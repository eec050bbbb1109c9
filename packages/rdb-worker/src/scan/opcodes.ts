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

/** Valkey 9: a slot import was under way. The number is taken by something else in Redis from 8.6 on. */
export const VALKEY_OPCODE_SLOT_IMPORT = 243

/** Bytes from here on are opcodes, whether known or not; below are value types. */
export const RDB_OPCODE_FIRST = 240

/** Bytes of the magic and version: REDIS0012, VALKEY080. */
export const RDB_HEADER_BYTES = 9
/** From this version on a checksum follows the EOF opcode. */
export const RDB_CHECKSUM_SINCE_VERSION = 5
export const RDB_CHECKSUM_BYTES = 8
