import { soakSlice } from '../support/soak.ts'
import { soak } from './strings-differential.soak.ts'

soakSlice('strings-differential', soak)
