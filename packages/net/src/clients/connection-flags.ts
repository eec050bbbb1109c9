/** Bits of `Connection.flags`: what is true of a client connection at the moment. */
export const CLIENT_MULTI = 0x1
export const CLIENT_DIRTY_CAS = 0x2
export const CLIENT_DIRTY_EXEC = 0x4
export const CLIENT_MONITOR = 0x8
export const CLIENT_REPLY_OFF = 0x10
/** The reply of the command under way is dropped, and of the one after it. */
export const CLIENT_REPLY_SKIP = 0x20
export const CLIENT_REPLY_SKIP_NEXT = 0x40
export const CLIENT_CLOSE_AFTER_REPLY = 0x80
export const CLIENT_UNIX_SOCKET = 0x100
export const CLIENT_READONLY = 0x200
export const CLIENT_NO_EVICT = 0x400
export const CLIENT_NO_TOUCH = 0x800
/** Waiting in a command (WAIT): see `blocked`. */
export const CLIENT_BLOCKED = 0x1000
/** CLIENT PAUSE holds back the command found last. */
export const CLIENT_POSTPONED = 0x2000
/** Its pipeline used up its turn. */
export const CLIENT_SUSPENDED = 0x4000
/** Its output is above the bound. */
export const CLIENT_BACK_PRESSURE = 0x8000
/** The peer sent its end of stream. */
export const CLIENT_INPUT_ENDED = 0x10000
/** A replica reads our stream over this connection. */
export const CLIENT_REPLICA = 0x20000
/** Must authenticate before anything else. */
export const CLIENT_UNAUTHENTICATED = 0x40000
export const CLIENT_CLOSED = 0x80000
/** Has subscriptions. */
export const CLIENT_PUBSUB = 0x100000
/** In an I/O thread: so much of its input is forwarded and not yet run that no more is taken. */
export const CLIENT_FORWARDS_FULL = 0x200000
/** In an I/O thread: CLIENT TRACKING is on, so the link thread has to know what it reads. */
export const CLIENT_TRACKED = 0x400000
/** In an I/O thread: the client watches keys, so its next transaction is the link thread's. */
export const CLIENT_WATCHES = 0x800000
/** A long reply of this connection is made in slices, or waits for that. */
export const CLIENT_LONG_REPLY = 0x1000000

/** CLIENT CACHING has decided for the next command, or transaction. */
export const CLIENT_CACHING = 0x2000000
/** Messages for this connection itself wait until its command is over. */
export const CLIENT_HOLDS_PUSHES = 0x4000000

/** What holds for one command only. */
export const CLIENT_ONE_COMMAND: number =
  CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT | CLIENT_CACHING | CLIENT_HOLDS_PUSHES

/** Replies are dropped; messages are not. */
export const CLIENT_DROPPED_REPLIES: number = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP

/** No command may run now. */
export const CLIENT_STOPPED: number =
  CLIENT_BLOCKED |
  CLIENT_POSTPONED |
  CLIENT_SUSPENDED |
  CLIENT_BACK_PRESSURE |
  CLIENT_FORWARDS_FULL |
  CLIENT_LONG_REPLY |
  CLIENT_CLOSE_AFTER_REPLY |
  CLIENT_CLOSED
