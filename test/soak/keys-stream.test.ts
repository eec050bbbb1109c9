import { soakSlice } from '../support/soak.ts'
import { soak } from './keys-stream.soak.ts'

soakSlice('keys-stream', soak)
