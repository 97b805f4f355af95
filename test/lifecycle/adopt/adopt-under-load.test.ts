import { describeAdoptionUnderLoad } from './adopt-under-load.ts'

describeAdoptionUnderLoad(4, 1, 30_000)
