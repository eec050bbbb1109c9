import { soakSlice } from '../support/soak.ts'
import { soak } from './rdb-load-mutations.soak.ts'

soakSlice('rdb-load-mutations', soak)
