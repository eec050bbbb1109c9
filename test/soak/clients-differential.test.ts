import { soakSlice } from '../support/soak.ts'
import { soak } from './clients-differential.soak.ts'

soakSlice('clients-differential', soak)
