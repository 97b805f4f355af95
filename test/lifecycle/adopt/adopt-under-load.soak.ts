import { describeAdoptionUnderLoad } from './adopt-under-load.ts'

describeAdoptionUnderLoad(16, 5, 300_000)
