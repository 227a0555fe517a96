import 'reflect-metadata';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { getMetadataStorage } from 'class-validator';
import { AccountController } from '../../apps/trading/src/account/account.controller.js';
import { InstrumentController } from '../../apps/trading/src/instrument/instrument.controller.js';
import { PriceController } from '../../apps/trading/src/price/price.controller.js';

/** The class that validation sees for each `@Body()` and `@Query()` parameter of a controller. */
function validatedTypes(controller: new (...args: never[]) => object): { where: string; type: unknown }[] {
  return Object.getOwnPropertyNames(controller.prototype).flatMap((method) => {
    const args = Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {};
    const types = Reflect.getMetadata('design:paramtypes', controller.prototype, method) ?? [];
    return Object.entries<{ index: number }>(args)
      .filter(([key]) => [RouteParamtypes.BODY, RouteParamtypes.QUERY].includes(Number(key.split(':')[0])))
      .map(([, { index }]) => ({ where: `${controller.name}.${method}`, type: types[index] }));
  });
}

describe('trading demo: validated parameters', () => {
  const found = [AccountController, InstrumentController, PriceController].flatMap(validatedTypes);

  it('finds every body and query', () => {
    expect(found.map(({ where }) => where).sort()).toEqual([
      'AccountController.deposit',
      'AccountController.withdraw',
      'InstrumentController.create',
      'InstrumentController.list',
      'InstrumentController.reprice',
      'InstrumentController.update',
      'PriceController.record',
    ]);
  });

  // An `import type` DTO leaves Object behind, and ValidationPipe lets everything through without a word.
  it.each(found)('$where has a class with rules, not Object', ({ type }) => {
    expect(type).not.toBe(Object);
    expect(
      getMetadataStorage().getTargetValidationMetadatas(type as () => void, '', false, false),
    ).not.toEqual([]);
  });
});
