/**
 * Keyspace notifications, the half that knows nothing of subscribers: classes of events as bits, and the place where
 * commands leave an event. While nobody wants a class of events, leaving one costs a load and a branch.
 *
 * Bits and names follow redis 7.0 server.h (NOTIFY_*) and notify.c.
 */

export const NOTIFY_KEYSPACE = 0x1
export const NOTIFY_KEYEVENT = 0x2
export const NOTIFY_GENERIC = 0x4
export const NOTIFY_STRING = 0x8
export const NOTIFY_LIST = 0x10
export const NOTIFY_SET = 0x20
export const NOTIFY_HASH = 0x40
export const NOTIFY_ZSET = 0x80
export const NOTIFY_EXPIRED = 0x100
export const NOTIFY_EVICTED = 0x200
export const NOTIFY_STREAM = 0x400
export const NOTIFY_KEY_MISS = 0x800
export const NOTIFY_MODULE = 0x2000
export const NOTIFY_NEW = 0x4000

/** Who delivers events. Key bytes are borrowed for the call. */
export type KeyEventDelivery = (event: string, db: number, key: Uint8Array, start: number, end: number) => void

export class KeyEvents {
  /** Classes somebody wants; 0 while notifications are off. Set by whoever owns the configuration. */
  mask = 0
  deliver: KeyEventDelivery = () => {}
}
