import { soakSlice } from '../support/soak.ts'
import { soak } from './kill9.soak.ts'

soakSlice('kill9', soak)
