import { describeRandomDirt } from './random-dirt.ts'

describeRandomDirt(1_000)
