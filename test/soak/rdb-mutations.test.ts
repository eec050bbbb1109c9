import { soakSlice } from '../support/soak.ts'
import { soak } from './rdb-mutations.soak.ts'

soakSlice('rdb-mutations', soak)
