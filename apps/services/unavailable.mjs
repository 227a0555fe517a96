/** A service that cannot be had on this machine: why, and the command or setting that would change it. */
export class UnavailableError extends Error {
  name = 'UnavailableError';

  constructor(service, reason, fix) {
    super(`${service} cannot be had: ${reason}. To fix it: ${fix}`);
    this.service = service;
    this.reason = reason;
    this.fix = fix;
  }
}
