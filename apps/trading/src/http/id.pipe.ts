import { BadRequestException, Injectable, type PipeTransform } from '@nestjs/common';

const RULE = 'id must be a whole number from 1 to 999999999';

/** A row id as the database counts them. */
@Injectable()
export class IdPipe implements PipeTransform<string, number> {
  transform(value: string): number {
    if (!/^[1-9]\d{0,8}$/.test(value)) {
      throw new BadRequestException({ message: RULE, errors: [{ field: 'id', messages: [RULE] }] });
    }
    return Number(value);
  }
}
