import { type Origin } from '../database/origin.js';
import { type AccountEntry, type EntryKind } from './account-entry.entity.js';
import { type Account } from './account.entity.js';

/** An account as callers and the cache see it; the balance is a decimal string. */
export interface AccountView {
  id: number;
  holder: string;
  currency: string;
  balance: string;
  origin: Origin;
}

/** One movement of money; amounts are decimal strings. */
export interface EntryView {
  id: string;
  kind: EntryKind;
  amount: string;
  balanceAfter: string;
  /** ISO 8601. */
  at: string;
}

export function accountView({ id, holder, currency, balance, origin }: Account): AccountView {
  return { id, holder, currency, balance, origin };
}

export function entryView({ id, kind, amount, balanceAfter, at }: AccountEntry): EntryView {
  return { id, kind, amount, balanceAfter, at: at.toISOString() };
}
