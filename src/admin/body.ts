import { BadRequestException, ValidationPipe, type Type } from '@nestjs/common';
import * as classTransformer from 'class-transformer';
import * as classValidator from 'class-validator';

const pipe = new ValidationPipe({
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  validatorPackage: classValidator,
  transformerPackage: classTransformer,
  validationError: { target: false, value: false },
});

/**
 * A validated body. Called in the handler instead of decorating its parameter: a host's global pipe runs first on
 * parameters, and one that strips unknown fields, or converts, would hide from us what was sent.
 * @throws BadRequestException
 */
export async function validBody<T extends object>(body: unknown, type: Type<T>): Promise<T> {
  const given = body ?? {};
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw new BadRequestException('The body must be a JSON object (Content-Type: application/json).');
  }
  return (await pipe.transform(given, { type: 'body', metatype: type })) as T;
}
