import { soakSlice } from '../support/soak.ts'
import { soak } from './fuzz-expiring.soak.ts'

soakSlice('fuzz-expiring', soak)
