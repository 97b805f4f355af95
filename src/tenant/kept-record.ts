import { z } from 'zod'

/**
 * The schema of a record that is kept: a field that it does not know is one of a later version, and stays in the
 * record whoever changes another, so that processes of both go on side by side. To code it is not there.
 */
export function keptRecord<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  // What it gives is what is known and more.
  return z.looseObject(shape) as unknown as z.ZodObject<Shape, z.core.$strict>
}
