import { soakSlice } from '../support/soak.ts'
import { soak } from './mixed-load.soak.ts'

soakSlice('mixed-load', soak)
