import type { DataSource } from 'typeorm';
import type { TieredCache } from '#tiered-cache';
import type { MarkRegistry } from '../mark-registry.js';
import { TrackingSubscriber } from './tracking-subscriber.js';
import { noticeUnseenReads } from './unseen-reads.js';

/** Tells the tracked loads of one cache what they read from its data sources. */
export class Tracking {
  private readonly watched = new Map<DataSource, { subscriber: TrackingSubscriber; undo: (() => void)[] }>();

  constructor(
    private readonly cache: TieredCache,
    private readonly marks: MarkRegistry,
  ) {}

  /** To be called again after `initialize()`, which makes a new list of subscribers. */
  watch(dataSource: DataSource): void {
    let one = this.watched.get(dataSource);
    if (!one) {
      one = { subscriber: new TrackingSubscriber(this.cache, this.marks), undo: [] };
      this.watched.set(dataSource, one);
    }
    one.subscriber.renew();
    one.undo.push(...noticeUnseenReads(dataSource, this.cache));
    if (!dataSource.subscribers.includes(one.subscriber)) dataSource.subscribers.unshift(one.subscriber);
  }

  stop(): void {
    for (const [dataSource, { subscriber, undo }] of this.watched) {
      for (const one of undo.reverse()) one();
      const index = dataSource.subscribers.indexOf(subscriber);
      // TypeORM types the list as read-only; it is the array it walks at every event.
      if (index >= 0) (dataSource.subscribers as unknown[]).splice(index, 1);
    }
    this.watched.clear();
  }
}
