/**
 * From which size on a reply is long: it is not built whole, but made in slices from a pin (docs/large-replies.md). Whoever runs a read that
 * can be made so sets `ReplyEncoder.longFrom`; the read is then given up by LONG_REPLY as soon as its reply turns out to be long.
 */

/** Bytes of a reply that is still built whole: about a millisecond's work. */
export const LONG_REPLY_BYTES: number = 1 << 20
/** Items of such a reply, and keys or fields that may be looked at for it. */
export const LONG_REPLY_ITEMS = 32_768

/** `ReplyEncoder.longFrom` of a reply that is built whole, however long it gets: no reply is longer. */
export const ALWAYS_WHOLE = 0x7fff_ffff

/** The reply is long. Nothing of it is of any use. */
export class LongReply extends Error {}
export const LONG_REPLY: LongReply = new LongReply('the reply is too long to be built whole')
