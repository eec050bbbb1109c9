/** How much a piece of work takes of a processor, however long this process has to wait for one. */
export class CpuTime {
  readonly #began = process.cpuUsage()

  /** Of all threads of this process since this was made. */
  get ms(): number {
    const { user, system } = process.cpuUsage(this.#began)
    return (user + system) / 1000
  }
}
