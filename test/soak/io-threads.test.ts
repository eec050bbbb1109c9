import { soakSlice } from '../support/soak.ts'
import { soak } from './io-threads.soak.ts'

soakSlice('io-threads', soak)
