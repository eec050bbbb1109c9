import { soakSlice } from '../support/soak.ts'
import { soak } from './large-values.soak.ts'

soakSlice('large-values', soak)
