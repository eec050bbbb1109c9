import { soakSlice } from '../support/soak.ts'
import { soak } from './restarts.soak.ts'

soakSlice('restarts', soak)
