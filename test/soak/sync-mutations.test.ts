import { soakSlice } from '../support/soak.ts'
import { soak } from './sync-mutations.soak.ts'

soakSlice('sync-mutations', soak)
