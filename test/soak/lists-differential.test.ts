import { soakSlice } from '../support/soak.ts'
import { soak } from './lists-differential.soak.ts'

soakSlice('lists-differential', soak)
