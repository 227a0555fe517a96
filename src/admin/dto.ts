import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsNotEmpty,
  IsOptional,
  IsString,
  MaxLength,
  ValidateBy,
  type ValidationOptions,
} from 'class-validator';

/** Most items of one list in a request. */
const MANY = 1_000;
/** Longest key or tag, characters. */
const LONG = 1_024;

export interface EntryAddress {
  namespace: string;
  id: string;
}

/** `{ namespace, id }`, or 'namespace:id'. */
export type EntryAddressInput = EntryAddress | string;

/** Body of POST invalidate; the parts add up. */
export class InvalidateRequest {
  /** Entries: `{ "namespace": "prices", "id": "AAPL" }` or "prices:AAPL". */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MANY)
  @IsEntryAddress({ each: true })
  keys?: EntryAddressInput[];

  @IsOptional()
  @Texts()
  tags?: string[];

  @IsOptional()
  @Texts()
  namespaces?: string[];

  /** A glob over `namespace:id`, e.g. "prices:BTC*". */
  @IsOptional()
  @Text()
  pattern?: string;

  @IsOptional()
  @Texts()
  patterns?: string[];

  /** Everything tagged `user:<id>`. */
  @IsOptional()
  @Text()
  user?: string;

  /** Everything tagged `symbol:<SYMBOL>`. */
  @IsOptional()
  @Text()
  symbol?: string;

  /** Every namespace of the cache. */
  @IsOptional()
  @IsBoolean()
  all?: boolean;

  /** Count only. */
  @IsOptional()
  @IsBoolean()
  dryRun?: boolean;
}

/** Body of POST warming/trigger; empty: all strategies. */
export class TriggerWarmingRequest {
  @IsOptional()
  @Text()
  strategy?: string;

  @IsOptional()
  @Texts()
  strategies?: string[];

  /** Entries to load anew. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MANY)
  @IsEntryAddress({ each: true })
  keys?: EntryAddressInput[];
}

/** The namespace ends at the first colon. */
export function toAddress(input: EntryAddressInput): EntryAddress {
  if (typeof input !== 'string') return { namespace: input.namespace, id: input.id };
  const colon = input.indexOf(':');
  return { namespace: input.slice(0, colon), id: input.slice(colon + 1) };
}

function Text(options: ValidationOptions = {}): PropertyDecorator {
  return (target, key) => {
    for (const rule of [IsString(options), IsNotEmpty(options), MaxLength(LONG, options)]) rule(target, key);
  };
}

function Texts(): PropertyDecorator {
  return (target, key) => {
    for (const rule of [IsArray(), ArrayMaxSize(MANY), Text({ each: true })]) rule(target, key);
  };
}

function IsEntryAddress(options: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isEntryAddress',
      validator: {
        validate: isEntryAddress,
        defaultMessage: () => 'each of keys must be { namespace, id } or "namespace:id"',
      },
    },
    options,
  );
}

function isEntryAddress(value: unknown): boolean {
  if (typeof value === 'string') return value.length <= LONG && /^[^:]+:./s.test(value);
  if (typeof value !== 'object' || value === null) return false;
  const { namespace, id, ...others } = value as Partial<EntryAddress>;
  return isText(namespace) && isText(id) && Object.keys(others).length === 0;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= LONG;
}
