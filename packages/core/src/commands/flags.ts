/**
 * Command flags as Redis names them (redis 7.0 server.h, CMD_*). The names in COMMAND INFO come from `FLAG_NAMES`,
 * and the checks of the dispatcher (READONLY, LOADING, STALE, NOAUTH) from the bits.
 */
export const WRITE = 0x1
export const READONLY = 0x2
export const DENYOOM = 0x4
export const ADMIN = 0x8
export const PUBSUB = 0x10
export const NOSCRIPT = 0x20
export const BLOCKING = 0x40
/** Allowed on a node that has no data yet (-LOADING otherwise). */
export const LOADING = 0x80
/** Allowed while the link is down and replica-serve-stale-data is no (-MASTERDOWN otherwise). */
export const STALE = 0x100
export const SKIP_MONITOR = 0x200
export const FAST = 0x400
/** Allowed before AUTH. */
export const NO_AUTH = 0x800
export const NO_MULTI = 0x1000
export const NO_ASYNC_LOADING = 0x2000
/** Not a write, and yet told to replicas: PUBLISH, and PFCOUNT, which stores what it computed. Not shown by COMMAND INFO. */
export const MAY_REPLICATE = 0x4000
export const MOVABLE_KEYS = 0x8000
export const ALLOW_BUSY = 0x10000
export const SKIP_SLOWLOG = 0x20000
export const ASKING = 0x40000
/** The declared keys may all be missing: COMMAND GETKEYS does not complain. */
export const NO_MANDATORY_KEYS = 0x80000
/** Needs enable-debug-command (or -module-command); not shown by COMMAND INFO. */
export const PROTECTED = 0x100000

/** In the order in which COMMAND INFO lists them. */
export const FLAG_NAMES: readonly (readonly [flag: number, name: string])[] = [
  [WRITE, 'write'],
  [READONLY, 'readonly'],
  [DENYOOM, 'denyoom'],
  [ADMIN, 'admin'],
  [PUBSUB, 'pubsub'],
  [NOSCRIPT, 'noscript'],
  [BLOCKING, 'blocking'],
  [LOADING, 'loading'],
  [STALE, 'stale'],
  [SKIP_MONITOR, 'skip_monitor'],
  [SKIP_SLOWLOG, 'skip_slowlog'],
  [ASKING, 'asking'],
  [FAST, 'fast'],
  [NO_AUTH, 'no_auth'],
  [NO_MANDATORY_KEYS, 'no_mandatory_keys'],
  [NO_ASYNC_LOADING, 'no_async_loading'],
  [NO_MULTI, 'no_multi'],
  [MOVABLE_KEYS, 'movablekeys'],
  [ALLOW_BUSY, 'allow_busy'],
]
