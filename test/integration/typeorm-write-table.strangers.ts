import { execFile, spawnSync } from 'node:child_process';
import type { Client } from 'pg';

/** Whether PostgreSQL's own client is on this machine. */
export function hasPsql(): boolean {
  return spawnSync('psql', ['--version']).status === 0;
}

export function psql(url: string, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('psql', ['-q', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', sql], (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

interface CopyConnection {
  query(sql: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** COPY ... FROM STDIN, which pg offers to whoever speaks its protocol ("submittable"). */
export function copyIn(client: Client, sql: string, rows: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let failed: Error | undefined;
    const copy = {
      submit: (connection: CopyConnection): void => connection.query(sql),
      handleCopyInResponse(connection: CopyConnection): void {
        connection.sendCopyFromChunk(Buffer.from(rows));
        connection.endCopyFrom();
      },
      handleCommandComplete: (): void => {},
      handleError: (error: Error): void => void (failed = error),
      handleReadyForQuery: (): void => (failed ? reject(failed) : resolve()),
    };
    client.query(copy as never);
  });
}
