import { soakSlice } from '../support/soak.ts'
import { soak } from './streams-differential.soak.ts'

soakSlice('streams-differential', soak)
