import { type Origin } from '../database/origin.js';
import { type Account } from './account.entity.js';

/** An account as callers and the cache see it; the balance is a decimal string. */
export interface AccountView {
  id: number;
  holder: string;
  currency: string;
  balance: string;
  origin: Origin;
}

export function accountView({ id, holder, currency, balance, origin }: Account): AccountView {
  return { id, holder, currency, balance, origin };
}
