import { soakSlice } from '../support/soak.ts'
import { soak } from './sort-differential.soak.ts'

soakSlice('sort-differential', soak)
