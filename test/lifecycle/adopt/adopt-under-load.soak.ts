import { describeAdoptionUnderLoad } from './adopt-under-load.ts'

describeAdoptionUnderLoad(16, 10, 300_000)
