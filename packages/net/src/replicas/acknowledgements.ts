/** Who waits for ACKs of replicas (WAIT). Source: redis 7.0 replication.c waitCommand(), processClientsWaitingReplicas(). */
import type { Acknowledgements } from '../clients/ports.ts'

interface Waiter {
  readonly offset: number
  readonly replicas: number
  readonly done: () => void
}

export interface AcknowledgementPorts {
  /** Replicas that have acknowledged everything up to `offset`. */
  count(offset: number): number
  /** REPLCONF GETACK to all. */
  ask(): void
}

export class WaitForAcknowledgements implements Acknowledgements {
  readonly #ports: AcknowledgementPorts
  readonly #waiters = new Set<Waiter>()

  constructor(ports: AcknowledgementPorts) {
    this.#ports = ports
  }

  count(offset: number): number {
    return this.#ports.count(offset)
  }

  whenAcknowledged(offset: number, replicas: number, done: () => void): () => void {
    const waiter: Waiter = { offset, replicas, done }
    this.#waiters.add(waiter)
    this.#ports.ask()
    return () => this.#waiters.delete(waiter)
  }

  /** An ACK came. */
  look(): void {
    for (const { offset, replicas, done } of this.#waiters) if (this.count(offset) >= replicas) done()
  }
}
