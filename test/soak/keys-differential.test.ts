import { soakSlice } from '../support/soak.ts'
import { soak } from './keys-differential.soak.ts'

soakSlice('keys-differential', soak)
