import { describeRandomDirt } from './random-dirt.ts'

describeRandomDirt(60)
