/** Types of the record format for the specs; see records.mjs. */
export const COLUMNS: 8;
export const GROUP_SIZE: number;
export const KIND: Readonly<
  Record<
    'READ' | 'READ_MORE' | 'LOAD' | 'WRITE' | 'COMMITTED' | 'ROLLED_BACK' | 'UNKNOWN' | 'INVALIDATED' | 'OWN',
    number
  >
>;
export const SPACE: Readonly<Record<'items' | 'strict' | 'groups' | 'late' | 'sgroups', number>>;
