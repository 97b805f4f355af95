import { describeFastRestart } from './restart/fast-restart.ts'

describeFastRestart(20)
