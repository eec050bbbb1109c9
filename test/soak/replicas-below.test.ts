import { soakSlice } from '../support/soak.ts'
import { soak } from './replicas-below.soak.ts'

soakSlice('replicas-below', soak)
