import { soakSlice } from '../support/soak.ts'
import { soak } from './connections.soak.ts'

soakSlice('connections', soak)
