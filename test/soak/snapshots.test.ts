import { soakSlice } from '../support/soak.ts'
import { soak } from './snapshots.soak.ts'

soakSlice('snapshots', soak)
