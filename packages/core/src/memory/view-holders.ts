/**
 * The registers of a thread that still name a view of a segment when a command is over: entries, cursors, opened values. One
 * such view keeps a dropped segment, however large, from going back to the system. They are overwritten when the next command
 * of the kind comes along; until then, or for a thread that is idle, `letGoOfViews` makes them forget.
 *
 * So nothing may rely on its registers from one turn of the event loop to the next: work in slices opens its cursors anew.
 */

/** A class of registers calls `noteViewHolder(this)` in its constructor. */
export interface ViewHolder {
  /** Forgets all views of segments. What was opened has to be opened again. */
  letGo(): void
}

export const NO_BYTES: Uint8Array = new Uint8Array(0)
export const NO_WORDS: Int32Array = new Int32Array(8)
export const NO_VIEW: DataView = new DataView(NO_BYTES.buffer)

/**
 * Registers live as long as their module and are made when it is loaded; of those made and forgotten later (a list being
 * built) only so many are noted, since they are garbage by themselves.
 */
const HOLDERS_MAX = 4096
let holders: WeakRef<ViewHolder>[] = []

export function noteViewHolder(holder: ViewHolder): void {
  if (holders.length < HOLDERS_MAX) holders.push(new WeakRef(holder))
}

const modules: (() => void)[] = []

/** The same for variables of a module. */
export function noteModuleViews(letGo: () => void): void {
  modules.push(letGo)
}

/** Makes all registers of this thread forget; call it between two turns, before a collection. */
export function letGoOfViews(): void {
  holders = holders.filter((reference) => {
    const holder = reference.deref()
    holder?.letGo()
    return holder !== undefined
  })
  for (const letGo of modules) letGo()
}
