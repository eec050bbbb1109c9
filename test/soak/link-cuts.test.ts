import { soakSlice } from '../support/soak.ts'
import { soak } from './link-cuts.soak.ts'

soakSlice('link-cuts', soak)
