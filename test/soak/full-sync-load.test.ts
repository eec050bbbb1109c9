import { soakSlice } from '../support/soak.ts'
import { soak } from './full-sync-load.soak.ts'

soakSlice('full-sync-load', soak)
