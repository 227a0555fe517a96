import { ValidateIf } from 'class-validator';

/** The field may be left out, but not be null (class-validator's IsOptional lets null through). */
export function IfPresent(): PropertyDecorator {
  return ValidateIf((_object, value) => value !== undefined);
}
