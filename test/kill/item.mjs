/** What the writers that die and the nodes that watch have in common. */
import { CachedEntity } from '../dist/src/typeorm/cached-entity.decorator.js';
import { EntitySchema } from 'typeorm';

export class Item {}
CachedEntity({ keys: { items: (row) => row.id } })(Item);

export const ITEM = new EntitySchema({
  name: 'Item',
  target: Item,
  tableName: 'item',
  columns: { id: { type: 'int', primary: true }, v: { type: 'int' } },
});

export const NAMESPACES = { items: { ttl: '10m' }, views: { ttl: '10m' } };
