import { soakSlice } from '../support/soak.ts'
import { soak } from './tree.soak.ts'

soakSlice('tree', soak)
