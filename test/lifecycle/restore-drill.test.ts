import { describeDrill } from './restore-drill.ts'

describeDrill(4)
