import { soakSlice } from '../support/soak.ts'
import { soak } from './reply-encoder.soak.ts'

soakSlice('reply-encoder', soak)
