import { soakSlice } from '../support/soak.ts'
import { soak } from './fuzz.soak.ts'

soakSlice('fuzz', soak)
